"""Importing a million records of accounting logs, compared with a loop that only splits their lines.

The logs are the recorded ones again and again, each time a day earlier and with other ids and users. The loop makes a
dictionary of each record and inserts its texts with plain sqlite3: no number, time or job, nothing checked, no index.
Each way has a process of its own, so that its memory can be told; its processor time is, so that others do not count.
"""

from __future__ import annotations

import gzip
import multiprocessing
import re
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agent.parsers.accounting import DELETED, ENDED, KIND, QUEUED, RERUN, STARTED, TEXT, is_line
from agent.zones import zone_named
from collector.buckets import compute, dirty_hours
from collector.history import pack
from collector.imports import Import
from collector.known import known_until
from collector.settings import Settings
from collector.store import Store

RECORDS = 1_000_000
LEAST_RATE = 50_000
MOST_MEMORY_MB = 300
LOGS = {
    "OpenPBS": Path("tests/samples/openpbs-23.06.06/accounting/20261123.gz"),
    "TORQUE": Path("tests/samples/torque-6.1.3.h5/accounting/20261123.gz"),
}
_KEPT = (
    "user",
    "group",
    "jobname",
    "queue",
    "ctime",
    "start",
    "end",
    "exec_host",
    "Exit_status",
    "Resource_List.ncpus",
)
_OWN = re.compile(r"(?<=[ ;])(ctime|qtime|etime|start|end|user)=([^ \n]+)")
_SECONDS_OF_A_DAY = 86400
_IDS_OF_A_DAY = 100_000


@dataclass(frozen=True)
class Taken:
    """What one way took."""

    seconds: float
    """Of one core."""
    memory_mb: float
    jobs: int = 0
    summing_seconds: float = 0.0


def main() -> None:
    """Print a table for each kind of log."""
    for name, sample in LOGS.items():
        with tempfile.TemporaryDirectory() as folder:
            logs = Path(folder) / "logs"
            logs.mkdir()
            records = multiply(sample, logs, RECORDS)
            size = sum(path.stat().st_size for path in logs.iterdir())
            print(f"{name}: {records:,} records, {size / 1e6:,.0f} MB")
            print(f"  {'':28}{'records/s':>12}{'peak memory':>14}")
            floor, ours = _alone(split_all, logs), _alone(import_all, logs)
            _print("lines split, texts inserted", records, floor)
            over = records / ours.seconds < LEAST_RATE or ours.memory_mb > MOST_MEMORY_MB
            _print("imported", records, ours, "  OVER" if over else "")
            print(
                f"  {ours.seconds / floor.seconds:.1f} times the loop's time; {ours.jobs:,} jobs, "
                f"whose sums and columns took {ours.summing_seconds:.1f} s more"
            )
    print(f"  (at least {LEAST_RATE:,} records/s, at most {MOST_MEMORY_MB} MB)")


def _print(what: str, records: int, taken: Taken, more: str = "") -> None:
    print(f"  {what:28}{records / taken.seconds:>12,.0f}{taken.memory_mb:>11.0f} MB{more}")


def _alone(way: Callable[[Path], Taken], logs: Path) -> Taken:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        return other.submit(way, logs).result()


def multiply(sample: Path, folder: Path, records: int) -> int:
    """Write the recorded log again and again, a file a day, until there are so many records; returns how many."""
    lines = [f"{line}\n" for line in gzip.decompress(sample.read_bytes()).decode("latin-1").split("\n") if line]
    lines += _ends(lines)
    last, written, day = datetime.strptime(lines[0][:10], "%m/%d/%Y").replace(tzinfo=UTC), 0, 0
    while written < records:
        then = last - timedelta(days=day)
        with (folder / f"{then:%Y%m%d}").open("w", encoding="latin-1", newline="") as file:
            file.writelines(_on_day(lines, day))
        written += len(lines)
        day += 1
    return written


def _ends(lines: list[str]) -> Iterator[str]:
    """Ends for the jobs that lived when recording stopped, so that their number does not grow from day to day.

    Those that ran end an hour after their start as the recorded job did that ended last; those that waited are deleted.
    """
    lived: dict[str, str] = {}
    for line in lines:
        kind, name = line[KIND : KIND + 1] if is_line(line) else "", line[TEXT:].partition(";")[0]
        if kind in (QUEUED, STARTED):
            lived[name] = line
        elif kind in (ENDED, RERUN, DELETED):
            lived.pop(name, None)
    how = next(line for line in reversed(lines) if line[KIND : KIND + 1] == ENDED)
    how = re.sub(r" end=\d+", "", " session=" + how.partition(" session=")[2])
    for name, line in lived.items():
        if line[KIND] == STARTED:
            end = int(re.findall(r" start=(\d+)", line)[0]) + 3600
            at = datetime.fromtimestamp(end, UTC)
            yield f"{at:%m/%d/%Y %H:%M:%S};{ENDED}{line[KIND + 1 :].rstrip()} end={end}{how}"
        else:
            yield f"{line[:KIND]}{DELETED};{name};requestor=root\n"


def _on_day(lines: list[str], day: int) -> Iterator[str]:
    """The lines `day` days earlier, with other ids and users."""

    def turned(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name == "user":
            return f"user={value}{day % 20}"
        return f"{name}={int(value) - day * _SECONDS_OF_A_DAY}" if value.isdigit() else found[0]

    dates: dict[str, str] = {}
    for line in lines:
        if not is_line(line):
            yield line
            continue
        if line[:10] not in dates:
            then = datetime.strptime(line[:10], "%m/%d/%Y") - timedelta(days=day)
            dates[line[:10]] = f"{then:%m/%d/%Y}"
        number = re.match(r"\d*", line[TEXT:])[0]
        other = str(int(number) + day * _IDS_OF_A_DAY) if number else ""
        yield dates[line[:10]] + line[10:TEXT] + other + _OWN.sub(turned, line[TEXT + len(number) :])


def import_all(logs: Path) -> Taken:
    """What `import-accounting` does."""
    store = Store(f"sqlite:///{logs.parent}/store.sqlite")
    settings = Settings.model_validate({"cluster": [{"name": "c", "agent": "tcp://127.0.0.1:1"}]})
    cluster_id = store.sync_clusters(settings)["c"]
    begun = time.process_time()
    reading = Import(store.engine, store.words, cluster_id, zone_named("UTC"), time.time())
    for _ in reading.run(sorted(logs.iterdir())):
        pass
    read, memory = time.process_time(), _memory_mb()
    with store.engine.connect() as connection:
        until = known_until(connection, cluster_id)
    assert until is not None
    compute(store.engine, cluster_id, dirty_hours(store.engine, cluster_id), until)
    pack(store.engine, cluster_id, until)
    store.close()
    return Taken(read - begun, memory, reading.summary.jobs.new, time.process_time() - read)


def split_all(logs: Path) -> Taken:
    """The least that could be done."""
    begun = time.process_time()
    connection = sqlite3.connect(logs.parent / "floor.sqlite")
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=normal")
    names = ("stamp", "kind", "id", *_KEPT)
    connection.execute("create table record ({})".format(", ".join(f'"{name}"' for name in names)))
    statement = f"insert into record values ({', '.join('?' * len(names))})"
    for path in sorted(logs.iterdir()):
        with path.open(encoding="latin-1", newline="\n") as file, connection:
            connection.executemany(statement, map(_split, file))
    connection.close()
    return Taken(time.process_time() - begun, _memory_mb())


def _split(line: str) -> tuple[str | None, ...]:
    stamp, kind, name, text = (*line.split(";", 3), "", "", "")[:4]
    get = dict(part.split("=", 1) for part in text.split(" ") if "=" in part).get
    return stamp, kind, name, *map(get, _KEPT)


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
