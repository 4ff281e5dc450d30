"""Back-fill: files of every kind, read once however often they are given, from where they were left."""

from __future__ import annotations

import gzip
import random
import shutil
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select, text

from agent.states import JobState
from collector import imports, logfiles
from collector.enter import Entered
from collector.errors import ImportRefused
from collector.logfiles import LogFile, find_files
from collector.schema import dirty_hour, job
from collector.store import PollTimes, Store
from collector.stretches import extend_known
from tests.collector.imported import (
    OPENPBS_LOG,
    SAMPLES,
    T0,
    TORQUE_LOG,
    UNENDED,
    contents,
    import_into,
    open_store,
    recorded_lines,
    stamp,
    told,
    write_log,
)
from tests.collector.reports import a_job, a_report, as_running, table_rows
from tests.collector.reports import reading as other_engine
from tests.databases import store_at

LIFE = [told("Q", 1, T0), told("S", 1, T0 + 60, start=T0 + 60), told("E", 1, T0 + 99, start=T0 + 60, end=T0 + 99)]
HOUR, DAY = 3600, 86400


@pytest.fixture
def opened(each_store: str, tmp_path: Path) -> Iterator[tuple[Store, int]]:
    (tmp_path / "store").mkdir()
    store, cluster_id = open_store(tmp_path / "store")
    yield store, cluster_id
    store.close()


def file_rows(store: Store) -> list[tuple[str, int, int, int]]:
    with store.engine.connect() as connection:
        rows = connection.execute(text("select name, position, records, skipped from import_file order by name"))
        return [(Path(row[0]).name, *row[1:]) for row in rows]


def test_the_recorded_log_once_and_again(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    first = import_into(store, cluster_id, OPENPBS_LOG)
    assert (first.jobs.new, first.jobs.corrected, first.jobs.known) == (11010, 0, 0)
    assert (first.records, first.skipped, first.troubles, first.files) == (27038, 0, [], 1)
    assert sum(first.kinds.values()) == first.records
    store.roll_up(cluster_id, 0)
    before = contents(store.engine, UNENDED)
    assert len(before["job"]) == 11010
    assert sum(row["ended"] for row in before["hour"]) == 11010
    assert sum(row["core_seconds"] for row in before["day"]) > 10_000
    plain = tmp_path / "copy under another name"
    plain.write_bytes(gzip.decompress(OPENPBS_LOG.read_bytes()))
    for path in (OPENPBS_LOG, plain):
        again = import_into(store, cluster_id, path)
        assert (again.jobs, again.records, again.files_known) == (Entered(), 0, 1)
    store.roll_up(cluster_id, 0)
    assert contents(store.engine, UNENDED) == before


def test_read_from_its_beginning_again_it_changes_nothing(opened: tuple[Store, int]) -> None:
    store, cluster_id = opened
    import_into(store, cluster_id, OPENPBS_LOG)
    before = contents(store.engine)
    with store.engine.begin() as connection:
        connection.execute(text("delete from import_file"))
    again = import_into(store, cluster_id, OPENPBS_LOG)
    assert (again.jobs.new, again.jobs.corrected, again.jobs.known) == (0, 0, 11010)
    assert contents(store.engine) == before


def test_torque_and_traces(opened: tuple[Store, int]) -> None:
    store, cluster_id = opened
    summary = import_into(store, cluster_id, TORQUE_LOG, *sorted((SAMPLES / "swf").glob("*.swf")))
    assert (summary.jobs.new, summary.skipped, summary.files) == (1 + 220 + 6, 5, 3)
    assert summary.problems[0].place.endswith("odd.swf:16")
    assert summary.problems[0].reason.startswith("it has 13 ")
    again = import_into(store, cluster_id, TORQUE_LOG, *sorted((SAMPLES / "swf").glob("*.swf")))
    assert (again.jobs, again.files_known) == (Entered(), 3)


def test_a_trace_corrects_nothing(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    trace = next(path for path in sorted((SAMPLES / "swf").glob("*.swf")) if path.name != "odd.swf")
    import_into(store, cluster_id, OPENPBS_LOG)
    told = table_rows(store.engine, job)
    after = import_into(store, cluster_id, trace)
    assert after.jobs.corrected == 0
    assert table_rows(store.engine, job)[: len(told)] == told
    assert after.jobs.known > 0, "some stand in both"


def test_a_log_that_grows_is_taken_up_where_it_ended(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    data = "".join(f"{line}\n" for line in LIFE).encode()
    log = tmp_path / "20261123"
    jobs = []
    for size in (0, 10, len(LIFE[0]) + 1, len(LIFE[0]) + 30, len(data) - 1, len(data)):
        log.write_bytes(data[:size])
        summary = import_into(store, cluster_id, log)
        jobs.append((summary.records, summary.jobs.new))
    assert jobs == [(0, 0), (0, 0), (1, 0), (0, 0), (1, 0), (1, 1)]
    assert file_rows(store) == [("20261123", len(data), 3, 0)]
    assert contents(store.engine, UNENDED)[UNENDED] == []


def test_what_waits_in_one_log_may_be_deleted_in_the_next(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    first = write_log(tmp_path / "20261123", LIFE[:1])
    import_into(store, cluster_id, first)
    assert contents(store.engine)["job"] == []  # nothing that lives is invented
    import_into(store, cluster_id, write_log(tmp_path / "20261124", [told("D", 1, T0 + DAY, "requestor=root@here")]))
    (job,) = contents(store.engine)["job"]
    assert (job["user"], job["submitted_at"], job["started_at"], job["ended_at"]) == ("alice", T0, None, T0 + DAY)


def test_another_file_that_begins_with_the_same_line_is_read(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    import_into(store, cluster_id, write_log(tmp_path / "a", LIFE))
    other = [LIFE[0], told("S", 1, T0 + 50, start=T0 + 50), told("E", 2, T0 + 99, start=T0 + 60, end=T0 + 99)]
    assert import_into(store, cluster_id, write_log(tmp_path / "b", other)).jobs.new == 1
    assert [name for name, *_ in file_rows(store)] == ["a", "b"]


def test_folders_by_date_and_what_is_no_log(tmp_path: Path) -> None:
    for name in ("20261124", "old/20261122.gz", "20261123", "20261123.gz", "notes.txt", "trace.swf.gz", "20261125.bak"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listing = find_files([tmp_path, tmp_path / "notes.txt"])
    assert [str(path.relative_to(tmp_path)) for path in listing.files] == [
        "old/20261122.gz", "20261123", "20261123.gz", "20261124", "trace.swf.gz", "notes.txt",
    ]  # fmt: skip
    assert [path.name for path in listing.skipped] == ["20261125.bak", "notes.txt"]
    with pytest.raises(ImportRefused, match="does not exist"):
        find_files([tmp_path / "nowhere"])


def test_gz_beside_plain_counts_once(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    plain = write_log(tmp_path / "20261123", LIFE)
    (tmp_path / "20261123.gz").write_bytes(gzip.compress(plain.read_bytes()))
    summary = import_into(store, cluster_id, *find_files([tmp_path]).files)
    assert (summary.records, summary.files, summary.files_known) == (3, 1, 1)


def test_a_gz_of_several_streams(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    packed = tmp_path / "20261123.gz"
    packed.write_bytes(b"".join(gzip.compress(f"{line}\n".encode()) for line in LIFE) + b"\0" * 512)
    assert import_into(store, cluster_id, packed).jobs.new == 1
    assert import_into(store, cluster_id, packed).records == 0


def test_a_truncated_gz_and_then_the_whole(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    packed = tmp_path / "20261123.gz"
    packed.write_bytes(OPENPBS_LOG.read_bytes()[:150_000])
    cut = import_into(store, cluster_id, packed)
    assert 1000 < cut.records < 27038
    assert [trouble.reason for trouble in cut.troubles] == ["its end is missing; copy it again, then import it again"]
    shutil.copy(OPENPBS_LOG, packed)
    rest = import_into(store, cluster_id, packed)
    assert (cut.records + rest.records, cut.jobs.new + rest.jobs.new, rest.troubles) == (27038, 11010, [])


@pytest.mark.parametrize(
    ("data", "records", "skipped", "trouble"),
    [
        (b"", 0, 0, "it is empty"),
        (b"\n \n", 0, 0, "it is empty"),
        (random.Random(5).randbytes(100_000), 0, None, None),
        (b"\x1f\x8b" + bytes(100), 0, 0, "damaged"),
        (b"\x1f\x8b", 0, 0, "its end is missing"),
        ("\n".join([*LIFE, ""]).encode("utf-16"), 0, None, None),
        (b"; Version: 2\n1 2 3\n", 0, 0, "UnixStartTime"),
        ("\n".join([*LIFE, ""]).encode() + b"no end", 3, 0, None),
        ("\n".join(LIFE[:2]).encode() + b"\nrubbish\n\n" + LIFE[2].encode() + b"\n", 3, 1, None),
    ],
)
def test_what_is_no_log(
    opened: tuple[Store, int], tmp_path: Path, data: bytes, records: int, skipped: int | None, trouble: str | None
) -> None:
    store, cluster_id = opened
    path = tmp_path / "20261123"
    path.write_bytes(data)
    for _ in range(2):
        summary = import_into(store, cluster_id, path)
        assert summary.records in (0, records)
        assert skipped is None or summary.skipped in (0, skipped)
        assert bool(trouble) == bool(summary.troubles)
        assert not trouble or trouble in summary.troubles[0].reason
    assert len(contents(store.engine)["job"]) == (1 if records else 0)


def test_a_file_that_may_not_be_read_stops_no_other(
    opened: tuple[Store, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cluster_id = opened
    bad, good = write_log(tmp_path / "20261122", LIFE), write_log(tmp_path / "20261123", LIFE)
    real = Path.open

    def opening(path: Path, *arguments: object) -> object:
        if path == bad:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opening)
    summary = import_into(store, cluster_id, bad, good)
    assert [trouble.reason for trouble in summary.troubles] == ["it cannot be read: Permission denied"]
    assert summary.jobs.new == 1


def test_a_huge_line_takes_little_memory(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    log = tmp_path / "20261123"
    with log.open("wb") as handle:
        handle.write(f"{LIFE[0]}\n".encode())
        for _ in range(60):
            handle.write(b"x" * 1_000_000)
        handle.write("\n".join(["", *LIFE[1:], ""]).encode())
    tracemalloc.start()
    summary = import_into(store, cluster_id, log)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60_000_000
    assert (summary.jobs.new, summary.skipped, summary.problems[0].place) == (1, 1, f"{log}:2")
    assert import_into(store, cluster_id, log).files_known == 1


def test_records_out_of_order(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    import_into(store, cluster_id, write_log(tmp_path / "a", LIFE))
    before = contents(store.engine)
    other = tmp_path / "other"
    other.mkdir()
    second, second_id = open_store(other)
    import_into(second, second_id, write_log(tmp_path / "b", LIFE[::-1]))
    assert contents(second.engine) == before
    second.close()


def test_a_number_that_is_used_again(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    before = T0 - 180 * DAY
    earlier = told("E", 1, before + 99, ctime=before, start=before + 60, end=before + 99)
    assert import_into(store, cluster_id, write_log(tmp_path / "a", [earlier, *LIFE])).jobs.new == 2
    summary = import_into(store, cluster_id, write_log(tmp_path / "b", [*LIFE, earlier]))
    assert (summary.jobs.new, summary.jobs.known) == (0, 2)


def test_two_servers_of_one_cluster_may_use_the_same_number(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    other = [line.replace(";1.pbs01;", ";1.pbs02;") for line in LIFE]
    nameless = [line.replace(";1.pbs01;", ";1;") for line in LIFE]
    assert import_into(store, cluster_id, write_log(tmp_path / "a", [*LIFE, *other])).jobs.new == 2
    assert import_into(store, cluster_id, write_log(tmp_path / "b", nameless)).jobs.new == 0


def test_told_twice_in_one_batch_the_end_counts(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    lines = [LIFE[0], told("D", 1, T0 + 30), LIFE[2], LIFE[2]]
    summary = import_into(store, cluster_id, write_log(tmp_path / "a", lines))
    assert (summary.jobs.new, summary.jobs.corrected, summary.jobs.known) == (1, 1, 1)
    (job,) = contents(store.engine)["job"]
    assert (job["started_at"], job["ended_at"]) == (T0 + 60, T0 + 99)


def test_both_hours_of_the_clocks_change(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    zone = ZoneInfo("Europe/Athens")
    night = int(datetime(2025, 10, 26, 2, 50, tzinfo=zone).timestamp())  # at 04:00 the clocks show 03:00 again

    def local(second: int) -> str:
        return datetime.fromtimestamp(second, zone).strftime("%m/%d/%Y %H:%M:%S")

    lines = []
    for number, after in enumerate(range(0, 8400, 600)):
        at = night + after
        lines.append(told("Q", number, 0, ctime=at).replace(stamp(0), local(at)))
        lines.append(told("D", number, 0, "requestor=a").replace(stamp(0), local(at + 30)))
    for size in (len(lines), 9, len(lines)):  # also where it is left in the second hour
        import_into(store, cluster_id, write_log(tmp_path / f"{size}", lines[:size]), zone=zone)
    found = contents(store.engine)["job"]
    assert sorted(row["ended_at"] - row["submitted_at"] for row in found) == [30] * 14


def test_hours_are_dirty_from_submission_to_end(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    lines = [
        told("E", 1, T0 + 99, start=T0 + 60, end=T0 + 99),
        told("E", 2, T0 - 9 * HOUR, ctime=T0 - 12 * HOUR + 5, start=T0 - 11 * HOUR, end=T0 - 10 * HOUR + 5),
    ]
    import_into(store, cluster_id, write_log(tmp_path / "a", lines))
    with store.engine.connect() as connection:
        dirty = connection.execute(select(dirty_hour.c.bucket).order_by(dirty_hour.c.bucket)).scalars().all()
    assert dirty == [T0 - 12 * HOUR, T0 - 11 * HOUR, T0 - 10 * HOUR, T0]


def test_known_stretches_join(opened: tuple[Store, int]) -> None:
    store, cluster_id = opened

    def known(since: int, until: int) -> list[tuple[int, int]]:
        with store.engine.begin() as connection:
            extend_known(connection, cluster_id, since, until)
            rows = connection.execute(text("select since, until from known_span order by since")).all()
        return [((row[0] - T0) // HOUR, (row[1] - T0) // HOUR) for row in rows]

    assert known(T0, T0 + HOUR) == [(0, 1)]
    assert known(T0 + 10 * HOUR, T0 + 12 * HOUR) == [(0, 12)]  # a quiet night
    assert known(T0 + 40 * HOUR, T0 + 41 * HOUR) == [(0, 12), (40, 41)]  # a day's log is missing
    assert known(T0 + 20 * HOUR, T0 + 30 * HOUR) == [(0, 41)]
    assert known(T0 + 2 * HOUR, T0 + 3 * HOUR) == [(0, 41)]


def test_a_living_job_that_the_log_has_ended_is_ended(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    seen = as_running(replace(a_job(1), comment="not yet", priority=7), T0 + 60)
    store.store_report(cluster_id, a_report(T0 + 70, [seen]), PollTimes(T0 + 70, 0.1))
    summary = import_into(store, cluster_id, write_log(tmp_path / "a", LIFE))
    assert (summary.jobs.new, summary.jobs.corrected) == (0, 1)
    (job,) = contents(store.engine)["job"]
    assert (job["ended_at"], job["ended_estimated"], job["state"]) == (T0 + 99, 0, 7)
    assert (job["priority"], job["comment"]) == (7, None)
    assert [(row["since"], row["until"]) for row in contents(store.engine)["span"]] == [
        (T0, T0 + 60),
        (T0 + 60, T0 + 99),
    ]


def test_an_estimated_end_becomes_exact_and_holds_stay(opened: tuple[Store, int], tmp_path: Path) -> None:
    store, cluster_id = opened
    for at, jobs in ((10, [a_job(1, JobState.HELD)]), (40, [a_job(1)]), (200, [])):
        store.store_report(cluster_id, a_report(T0 + at, jobs), PollTimes(T0 + at, 0.1))
    assert [row["ended_estimated"] for row in contents(store.engine)["job"]] == [1]
    import_into(store, cluster_id, write_log(tmp_path / "a", LIFE))
    (job,) = contents(store.engine)["job"]
    assert (job["started_at"], job["ended_at"], job["ended_estimated"]) == (T0 + 60, T0 + 99, 0)
    assert [(row["since"] - T0, row["until"] - T0, row["state"]) for row in contents(store.engine)["span"]] == [
        (0, 40, 1), (40, 60, 0), (60, 99, 4),
    ]  # fmt: skip


def test_a_batch_and_its_place_are_stored_together(
    opened: tuple[Store, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cluster_id = opened
    monkeypatch.setattr(imports, "BATCH_RECORDS", 500)
    monkeypatch.setattr(logfiles, "CHUNK", 60_000)
    lines = recorded_lines()[:6000]
    log = write_log(tmp_path / "a", lines)
    places = []
    reading = imports.Import(store.engine, store.words, cluster_id, ZoneInfo("UTC"), time.time())
    other = other_engine(store_at(tmp_path / "store/store.sqlite"))
    for _ in reading.run([log]):
        with other.connect() as connection:
            stored = text("select max(position), (select count(*) from job) from import_file")
            places.append(connection.execute(stored).one())
    assert len({place for place in places if place[0]}) > 3
    data = log.read_bytes()
    assert all(position is None or data[position - 1 : position] == b"\n" for position, _ in places)
    assert places[-1][0] == len(data)


def test_blocks_are_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfiles, "CHUNK", 1000)
    monkeypatch.setattr(logfiles, "MOST_LINE", 3000)
    random_ = random.Random(3)
    lines = [random_.randbytes(random_.choice([0, 1, 50, 900, 2500, 5000])).replace(b"\n", b"") for _ in range(200)]
    data = b"\n".join(lines)
    for path, content in ((tmp_path / "plain", data), (tmp_path / "packed", gzip.compress(data))):
        path.write_bytes(content)
        for position in (0, len(data) // 2, len(data)):
            found, place = [], position
            for block in LogFile(path).blocks(position):
                assert data[: block.end].endswith(block.data)
                assert block.number == data.count(b"\n", 0, block.end) + 1 - len(block.lines)
                if block.too_long is None:
                    assert block.lines == block.data.decode("latin-1").split("\n")[:-1]
                found += block.lines
                place = block.end
            expected = data[position:].split(b"\n")[:-1]
            kept = [line.decode("latin-1") for line in expected if len(line) <= 2500]
            assert [line for line in found if len(line) <= 2500] == kept
            assert place <= len(data)
