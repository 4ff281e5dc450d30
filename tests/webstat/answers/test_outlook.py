"""What would be free when, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from webstat.answers.future import COLUMNS, Future
from webstat.answers.outlook import by_hour, headline, notes, record
from webstat.answers.releases import STEP, STEPS
from webstat.answers.track import LEVELS, Track
from webstat.data.reservations import Kept
from webstat.format import NBSP, When

AT = 1_800_000_600
"""Ten minutes after a full hour."""


def made(**changes: object) -> Future:
    """Each step has one core more for certain, and two more on the average."""
    steps = pd.DataFrame(dict.fromkeys(COLUMNS, np.arange(STEPS) + 1), index=AT + STEP * np.arange(STEPS))
    steps["cores_expected"] *= 2
    return replace(Future(AT, steps, 1000, 0, 500, 0, 0, 0, (), Track(0)), **changes)


def said(parts: tuple[str | When, ...]) -> str:
    return "".join(part if isinstance(part, str) else f"[{(part.at - AT) / 60:.0f} min]" for part in parts)


def test_the_sentence_says_what_is_free_now_and_at_two_full_hours() -> None:
    matter, rest = headline(made())
    assert matter == "1 core is free now"
    assert said(rest) == "; by [230 min] at least 24 (48 expected); by [1430 min] at least 144 (288 expected)."
    matter, rest = headline(made(unforetold=500), "then", were=True)
    assert matter == "1 core was free then" and "expected" not in said(rest)


def test_full_hours_have_the_steps_they_are_in() -> None:
    hours = by_hour(made())
    assert hours.index[:3].tolist() == [AT, AT + 3000, AT + 6600]
    assert hours["cores_certain"].iloc[:3].tolist() == [1, 6, 12]
    assert len(hours) == 25
    half = by_hour(made(), offset=19800)
    assert half.index[:2].tolist() == [AT, AT + 1200]


def test_what_nobody_knows_is_said() -> None:
    assert notes(made()) == []
    told = [said(one) for one in notes(made(endless=50, overdue=14, unforetold=6))]
    assert told[0].startswith(f"50 cores are held by jobs without a walltime (10{NBSP}% of those in use)")
    assert told[1].startswith("14 cores are held by jobs that are over their walltime")
    assert told[2] == "Of 6 cores only the walltime is known: fewer than 20 similar jobs have run so long."
    kept = Kept(
        "R1", "maint", "", "confirmed", None, AT + 600, AT + 1200, ("a", "b"), 8, None, runs=False, everything=False
    )
    assert said(notes(made(reserved=(kept,)))[0]) == "A maintenance takes 2 nodes from [10 min] to [20 min]."
    # Where nothing held, it is said once and not of each core.
    assert notes(made(unforetold=500, track=Track(500, 0.5, 0.7, 1.0, None))) == []


def test_how_well_it_held_is_said_with_its_consequence() -> None:
    assert "not known yet" in record(Track(12))
    good = Track(500, 0.48, 0.91, 1.0, LEVELS, 50, 0.9, 1.3)
    assert record(good).endswith("48 and 91 had ended; as many cores as “90 of 100” were free 90 of 100 times.")
    assert "recalibrated" in record(replace(good, levels=(0.6, 0.95)))
    assert record(replace(good, least=0.7, below=None)).endswith("70 of 100 times, so that line is not drawn.")
    assert record(Track(500, 0.5, 0.71, 1.0, None)).endswith("not 85 to 95, only walltimes are drawn.")
