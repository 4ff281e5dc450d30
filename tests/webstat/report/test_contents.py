"""The numbers of a report: equal to history's answers, and to the same jobs counted one by one."""

from __future__ import annotations

import csv
import io
import re
import statistics
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tests.webstat.data.explore.random_store import HOUR, UNTIL, Plain
from tests.webstat.report.conftest import FORMULA, HOSTILE, JOBS
from webstat.data.explore import explorer as explorer_module
from webstat.data.explore.answer import answer
from webstat.data.explore.question import Question
from webstat.data.source import Source
from webstat.errors import NoReport
from webstat.format import NBSP, hours, number, percent, wait
from webstat.report.asking import Subject, unknown
from webstat.report.contents import report
from webstat.report.files import stem, table_csvs, tidy_csv
from webstat.report.html import html
from webstat.report.model import Report, change
from webstat.report.period import Period, read

BERLIN = ZoneInfo("Europe/Berlin")
OCTOBER = read("month", "2026-10", BERLIN)
"""It has 745 hours."""
PHYSICS = Subject("group", "physics")
EVERYTHING = Subject("everything")


def made(source: Source, subject: Subject, period: Period = OCTOBER) -> Report:
    return report(source, subject, period, UNTIL)


def value(one: Report, name: str, *, before: bool = False) -> float:
    found = next(number for number in one.numbers if number.measure.name == name)
    return found.before if before else found.value


def cells(one: Report, table: str, column: str) -> dict[tuple[object, ...], object]:
    found = next(other for other in one.tables if other.name == table)
    place = [measure.name for measure in found.measures].index(column)
    return {row[: found.keys]: row[place] for row in found.rows}


def core_hours(jobs: list[Plain], period: Period) -> float:
    return sum(
        max(0, min(span.until, period.until, UNTIL) - max(span.since, period.since)) * span.cores * span.runs / HOUR
        for job in jobs
        for span in job.spans
    )


def ended(jobs: list[Plain], period: Period) -> list[Plain]:
    return [job for job in jobs if job.ended is not None and period.since <= job.ended < period.until]


def waits(jobs: list[Plain], period: Period) -> list[int]:
    return [
        max(0, job.started - (job.submitted if job.eligible is None else job.eligible))
        for job in jobs
        if job.started is not None and period.since <= job.started < period.until
    ]


def test_a_group_by_hand(source: Source) -> None:
    one = made(source, PHYSICS)
    jobs = [job for job in JOBS if job.group == "physics"]
    assert value(one, "core_hours") == pytest.approx(core_hours(jobs, OCTOBER))
    assert value(one, "share") == pytest.approx(core_hours(jobs, OCTOBER) / core_hours(JOBS, OCTOBER))
    done = ended(jobs, OCTOBER)
    assert value(one, "jobs_ended") == len(done) > 50
    told = [job.exit_status for job in done if job.started is not None and job.exit_status is not None]
    assert value(one, "failed_share") == pytest.approx(np.mean([status != 0 for status in told]))
    assert value(one, "wait_half") == pytest.approx(statistics.median(waits(jobs, OCTOBER)))
    assert value(one, "wait_nine_of_ten") == pytest.approx(np.quantile(waits(jobs, OCTOBER), 0.9))
    both = [job for job in done if job.walltime is not None and job.walltime_used is not None]
    assert value(one, "walltime_used") == pytest.approx(
        sum(job.walltime_used or 0 for job in both) / sum(job.walltime or 0 for job in both)
    )
    busy = [job for job in done if job.cpu_used is not None and job.started is not None and job.ended > job.started]
    idle = sum(job.cores * (job.ended - job.started) - job.cpu_used for job in busy) / HOUR
    assert value(one, "idle_core_hours") == pytest.approx(idle)
    for user in {job.user for job in jobs}:
        mine = [job for job in jobs if job.user == user]
        assert cells(one, "users", "core_hours")[user,] == pytest.approx(core_hours(mine, OCTOBER))
        assert cells(one, "users", "jobs_ended")[user,] == len(ended(mine, OCTOBER))
    for kind in ("jobs_by_size", "jobs_by_walltime", "jobs_by_state", "queues", "clusters"):
        assert sum(map(float, cells(one, kind, "core_hours").values())) == pytest.approx(value(one, "core_hours"))
    assert sum(map(float, cells(one, "waits", "jobs_started").values())) == len(waits(jobs, OCTOBER))


def test_the_same_as_history_answers(source: Source) -> None:
    question = Question(
        OCTOBER.since, OCTOBER.until, BERLIN, None, by="user", filters=(("group", ("physics",)),), compare=False
    )
    found = answer(source.explorer, source.explorer.asked(question, source.clusters()))
    one = made(source, PHYSICS)
    assert value(one, "core_hours") == found.all["core_hours"]
    assert value(one, "cpu_efficiency") == found.all["cpu_efficiency"]
    assert value(one, "idle_core_hours") == found.all["idle_core_hours"] > 0
    assert list(cells(one, "users", "core_hours").values()) == found.totals["core_hours"].tolist()
    picture = one.pictures[0]
    assert np.sum([band.values for band in picture.bands], axis=0) == pytest.approx(found.whole)
    assert len(picture.columns) == 31


def test_the_page_says_these_numbers(source: Source) -> None:
    one = made(source, PHYSICS)
    text = html(one)
    share = percent(value(one, "share"))
    assert one.headline == (
        f"The group physics used {hours(value(one, 'core_hours') * HOUR)} core-hours in October 2026: "
        f"{share} of what was used on 2 clusters."
    )
    for said in (
        one.headline,
        number(value(one, "jobs_ended")),
        wait(value(one, "wait_nine_of_ten")),
        percent(value(one, "cpu_efficiency")),
        hours(max(map(float, cells(one, "users", "core_hours").values())) * HOUR),
    ):
        assert said.replace("<", "&lt;") in text


def test_gaps_are_named_and_what_is_little_known_is_not_compared(source: Source) -> None:
    notes = made(source, PHYSICS).notes
    assert any(note.startswith("Not known of Two: 10") and "(2\xa0d)" in note for note in notes)
    assert any(note.startswith("Nothing is compared with September") for note in notes)
    assert "Known to the end of the period." in notes


def test_a_week_is_compared_with_the_one_before(source: Source) -> None:
    week = read("week", "2026-W44", BERLIN)
    one = made(source, PHYSICS, week)
    jobs = [job for job in JOBS if job.group == "physics"]
    now, was = core_hours(jobs, week), core_hours(jobs, week.before)
    assert (week.before.until - week.before.since) == 169 * HOUR
    assert value(one, "core_hours", before=True) == pytest.approx(was)
    assert one.headline.endswith(f"{percent(abs(now / was - 1))} {'more' if now > was else 'less'} than in week 43.")
    assert value(one, "share", before=True) == pytest.approx(was / core_hours(JOBS, week.before))


def test_a_period_that_goes_on_is_compared_with_as_much_of_the_one_before(source: Source) -> None:
    one = made(source, EVERYTHING, read("month", "2026-11", BERLIN))
    assert "in November 2026 so far" in one.headline and "the same stretch of October" in one.headline
    until = OCTOBER.since + UNTIL - OCTOBER.until
    cut = [replace(job, spans=tuple(replace(s, until=min(s.until, until)) for s in job.spans)) for job in JOBS]
    assert value(one, "core_hours", before=True) == pytest.approx(core_hours(cut, OCTOBER))
    assert any("Known until 20" in note for note in one.notes)


def test_a_cluster_has_its_capacity_and_nodes(source: Source) -> None:
    one = made(source, Subject("cluster", "one"))
    jobs = [job for job in JOBS if job.cluster == "one"]
    assert value(one, "core_hours") == pytest.approx(core_hours(jobs, OCTOBER))
    use, nodes = one.pictures
    assert use.limit[23:26] == pytest.approx([2400, 2500, 2400])  # 25 October has 25 hours
    assert nodes.bands[0].values == pytest.approx([1.0] * 31)
    assert [table.name for table in one.tables][:3] == ["groups", "users", "queues"]


def test_a_day_is_drawn_by_hours(source: Source) -> None:
    one = made(source, Subject("user", "alice"), read("day", "2026-10-25", BERLIN))
    assert len(one.pictures[0].columns) == 25
    assert one.headline.startswith("The user alice used ") and " on 25 October 2026" in one.headline


def test_counted_job_by_job_however_many_there_are(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = made(source, PHYSICS, read("week", "2026-W44", BERLIN))
    monkeypatch.setattr(explorer_module, "MOST_EXACT", 0)
    assert made(source, PHYSICS, read("week", "2026-W44", BERLIN)).numbers == exact.numbers


def test_the_page_is_whole_in_itself(source: Source) -> None:
    for subject in (PHYSICS, EVERYTHING, Subject("cluster", "two"), Subject("user", HOSTILE)):
        text = html(made(source, subject))
        assert not re.search(r"<(script|link|img|iframe|object|base|meta http)|@import|\bsrc=|\bhref=", text, re.I)
        assert set(re.findall(r"https?://[^\"' ]*", text)) == {"http://www.w3.org/2000/svg"}  # a name, never fetched
        assert set(re.findall(r"url\((.)", text)) <= {"#"}
        assert len(ids := re.findall(r' id="([^"]*)"', text)) == len(set(ids))


def test_names_are_only_text(source: Source) -> None:
    one = made(source, EVERYTHING)
    text = html(one)
    assert HOSTILE not in text and "&lt;script&gt;alert(1)" in text
    rows = list(csv.reader(io.StringIO(tidy_csv([one]))))
    assert {row[1] for row in rows if row[0] == "everything:2026-10 users"} >= {HOSTILE, f"'{FORMULA}"}
    for name, file in table_csvs(made(source, Subject("user", FORMULA))).items():
        assert re.fullmatch(r"webstat-[\w.-]+\.csv", name)
        assert not any(cell.startswith("=") for row in csv.reader(io.StringIO(file)) for cell in row)


def test_files_of_two_names_are_two(source: Source) -> None:
    one = made(source, PHYSICS)
    names = ["../../etc/passwd", "..", "a/b", "a b", "a-b", "物理", "", "x" * 200]
    stems = [stem(replace(one, name=name)) for name in names]
    assert len(set(stems)) == len(names)
    assert all(re.fullmatch(r"webstat-group-[\w.-]*", one) and len(one) < 100 for one in stems)
    assert stem(one) == "webstat-group-physics-2026-10" and "物理" in stems[5]


def test_tidy_rows_have_every_number(source: Source) -> None:
    one = made(source, PHYSICS)
    rows = list(csv.DictReader(io.StringIO(tidy_csv([one]))))
    found = {(row["section"], row["name"], row["measure"]): row for row in rows}
    assert len(found) == len(rows)
    top = found["report", "group:physics:2026-10", "core_hours"]
    assert (top["unit"], float(top["value"])) == ("core-hours", pytest.approx(value(one, "core_hours")))
    assert found["report", "group:physics:2026-10", "core_hours_before"]["value"] == ""
    mine = found["group:physics:2026-10 users", "alice", "core_hours"]
    assert float(mine["value"]) == pytest.approx(cells(one, "users", "core_hours")["alice",])
    days = {row["name"]: float(row["value"]) for row in rows if row["section"].endswith(" use_by_day")}
    assert sum(days.values()) == pytest.approx(value(one, "core_hours"))
    assert "2026-10-25T00:00:00+02:00 / alice" in days and "2026-10-26T00:00:00+01:00 / alice" in days
    assert ("group:physics:2026-10 waits", "One / gpu / 1 core", "wait_half") in found


def test_one_that_used_nothing_is_told_so(source: Source) -> None:
    one = made(source, Subject("user", "erin"))
    assert one.headline == "The user erin used no core-hours in October 2026."
    assert value(one, "core_hours") == value(one, "jobs_ended") == value(one, "share") == 0
    assert "Nothing in this period." in html(one)


@pytest.mark.parametrize(
    ("subject", "period", "said"),
    [
        (Subject("group", "phisics"), OCTOBER, "No group is named “phisics”. The closest: physics."),
        (Subject("group", "short"), OCTOBER, "No group is named “short”. There are: bio, physics, –."),  # a queue
        (Subject("cluster", "One"), OCTOBER, "No cluster is named “One”. The closest: one."),
        (EVERYTHING, read("month", "2027-01", BERLIN), "January 2027 has not begun."),
        (
            EVERYTHING,
            read("month", "2025-10", BERLIN),
            "Nothing is known of October 2025: the store's history is from 20 September 2026 to 20 November 2026.",
        ),
    ],
)
def test_what_cannot_be_made_is_said(source: Source, subject: Subject, period: Period, said: str) -> None:
    with pytest.raises(NoReport) as raised:
        made(source, subject, period)
    assert str(raised.value) == said


def test_of_many_names_none_are_listed() -> None:
    assert unknown("user", "zz", [f"u{number}" for number in range(50)]) == "No user is named “zz”."


def test_changes_in_words() -> None:
    assert [change(share) for share in (0.07, -0.12, 0.001, 11, -1)] == [
        f"+7{NBSP}%", f"−12{NBSP}%", f"±0{NBSP}%", "×12", f"−100{NBSP}%",
    ]  # fmt: skip
