from __future__ import annotations

from dataclasses import replace

import pytest

from webstat.format import When
from webstat.health import (
    COLLECTOR,
    Cluster,
    Health,
    State,
    Warning,
    collector_is_missing,
    health,
    stamp,
    stamps,
    worst,
)

NOW = 1_800_000_000.0
LIVE = Cluster("c", "c", id=1, period_seconds=60, report=5, taken_at=NOW - 14, next_poll_at=NOW + 46)


def words(found: Health) -> str:
    rest = "".join(part if isinstance(part, str) else f"<{part.form} {part.at - NOW:.0f}>" for part in found.rest)
    return found.matter + rest


@pytest.mark.parametrize(
    ("cluster", "state"),
    [
        (LIVE, State.LIVE),
        (replace(LIVE, taken_at=NOW - 149), State.LIVE),
        (replace(LIVE, taken_at=NOW - 151), State.LATE),
        (replace(LIVE, failures=1, error_code="silent"), State.LATE),
        (replace(LIVE, failures=2, error_code="command_failed", error="no"), State.LATE),
        (replace(LIVE, failures=3, error_code="silent"), State.SILENT),
        (replace(LIVE, failures=1, error_code="refused"), State.REFUSED),
        (replace(LIVE, failures=9, error_code="protocol"), State.REFUSED),
        (replace(LIVE, partial=("nodes",)), State.PARTIAL),
        (replace(LIVE, partial=("nodes",), taken_at=NOW - 151), State.LATE),
        (replace(LIVE, taken_at=NOW - 601), State.SILENT),
        (replace(LIVE, period_seconds=3600, taken_at=NOW - 3000), State.LIVE),
        (replace(LIVE, report=0, taken_at=None), State.NEW),
        (replace(LIVE, report=0, taken_at=None, failures=1, error_code="silent"), State.SILENT),
        (replace(LIVE, report=0, taken_at=None, failures=1, error_code="keys"), State.REFUSED),
    ],
)
def test_states(cluster: Cluster, state: State) -> None:
    assert health(cluster, NOW).state is state


def test_the_past_is_the_past() -> None:
    stale = {state for state in State if Health(state).stale}
    assert stale == {State.SILENT, State.REFUSED, State.NEW}


def test_a_silent_cluster_says_since_when_and_what_comes_next() -> None:
    found = health(replace(LIVE, failures=6, error_code="silent", taken_at=NOW - 720), NOW)
    assert words(found) == "Does not answer (timeout). Below is its state at <clock -720>. Next try in <until 46>."


def test_a_try_that_is_overdue_is_not_promised() -> None:
    found = health(replace(LIVE, failures=6, error_code="silent", next_poll_at=NOW - 1), NOW)
    assert not any(isinstance(part, When) and part.form == "until" for part in found.rest)


def test_the_schedulers_own_words_are_quoted_and_short() -> None:
    found = health(replace(LIVE, failures=1, error_code="command_failed", error="qstat: " + "x" * 999), NOW)
    said = words(found)
    assert "the scheduler does not answer its agent. “qstat: xxx" in said
    assert len(said) < 300


def test_a_late_cluster_says_what_was_expected() -> None:
    found = health(replace(LIVE, taken_at=NOW - 180), NOW)
    assert words(found).replace("\u00a0", " ") == "Late. The last report is <age -180> old (expected every 1 min)."


def test_a_partial_report_names_what_is_current_and_what_failed() -> None:
    warnings = (Warning("qstat -f: 17", "no owner"), Warning("pbsnodes -av", "exit 1: cannot connect"))
    found = health(replace(LIVE, partial=("nodes",), warnings=warnings), NOW)
    assert words(found).startswith("Jobs and queues are current, nodes are incomplete. pbsnodes -av: “exit 1: cannot")
    everything = health(replace(LIVE, partial=("jobs", "nodes", "queues")), NOW)
    assert words(everything).startswith("Jobs, nodes and queues are incomplete.")


def test_who_refuses_tells_the_admin_what_to_do() -> None:
    assert "allow the collector’s public key" in words(health(replace(LIVE, failures=1, error_code="refused"), NOW))
    for code, matter in (("protocol", "speaks another protocol"), ("keys", "keys cannot be used")):
        said = words(health(replace(LIVE, failures=1, error_code=code, error="upgrade the agent"), NOW))
        assert matter in said and "“upgrade the agent”" in said
        assert "Admin: " in words(health(replace(LIVE, failures=1, error_code=code), NOW))


def test_every_known_error_has_words() -> None:
    codes = (
        "silent", "refused", "protocol", "too_large", "malformed", "command_failed", "command_missing",
        "command_timeout", "output_too_large", "parse", "internal", "keys", "recording",
    )  # fmt: skip
    for code in codes:
        found = health(replace(LIVE, failures=3, error_code=code, error="words of it"), NOW)
        assert found.matter
        assert words(found)[-1] in ".”"


def test_headlines_name_the_worst() -> None:
    assert worst([State.LIVE, State.LATE, State.SILENT, State.PARTIAL]) is State.SILENT
    assert worst([]) is State.LIVE


def test_the_collector_is_missing_when_it_is_not_heard_and_every_poll_is_overdue() -> None:
    overdue = replace(LIVE, next_poll_at=NOW - 60)
    assert collector_is_missing([overdue, overdue], connected=False, now=NOW)
    assert not collector_is_missing([overdue, LIVE], connected=False, now=NOW)
    assert not collector_is_missing([overdue], connected=True, now=NOW)
    assert collector_is_missing([replace(LIVE, next_poll_at=None)], connected=False, now=NOW)


def test_a_stamp_changes_with_what_is_shown_and_with_nothing_else() -> None:
    assert stamp(LIVE, NOW) == stamp(replace(LIVE, attempted_at=NOW), NOW + 30)
    others = [
        replace(LIVE, report=6),
        replace(LIVE, failures=1, error_code="silent"),
        replace(LIVE, failures=2, error_code="silent"),
        replace(LIVE, taken_at=NOW - 200),
    ]
    found = [stamp(cluster, NOW) for cluster in (LIVE, *others)]
    assert len(set(found)) == len(found)
    assert stamps([LIVE], True, NOW) == {COLLECTOR: "there", "c": stamp(LIVE, NOW)}
