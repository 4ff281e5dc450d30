"""Texts of schedulers with the kind that each was judged to be, and docs/reasons.md's tables, made from them.

`python -m tests.webstat.reason_samples` prints the tables, to be put into the document.
"""

from __future__ import annotations

import json
from pathlib import Path

from webstat.format import NBSP
from webstat.native_reasons import row_of
from webstat.reasons import NO_HELP, Reason, reason

SAMPLES = Path(__file__).parent.parent / "samples" / "comments"

RECORDED: dict[str, list[dict[str, str | None]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.glob("*.json"))
}
"""From recorded outputs, by scheduler: state, comment, hold, depends_on, sample, kind."""

SOURCES: dict[str, list[dict[str, str]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((SAMPLES / "sources").glob("*.json"))
}
"""From the schedulers' own sources and manuals, by scheduler: comment, kind, source."""

HOLDS = (
    ("held", "u", None), ("held", "o", None), ("held", "s", None), ("held", "l", None), ("held", "JobHeldUser", None),
    ("held", "JobHeldAdmin", None), ("held", None, None), ("waiting", None, None), ("suspended", None, None),
    ("transiting", None, None),
)  # fmt: skip
"""What is told without a text: state, hold, dependency."""

NEEDS = (
    "afterok:13", "afterany:13:14", "afternotok:13", "after:13+10", "afterokarray:13[]", "aftercorr:13",
    "afterburstbuffer:13", "singleton(unfulfilled)", "on:2", "afterok:13,afterany:14", "afterok:13(failed)",
)  # fmt: skip

TITLES = {"openpbs": "OpenPBS", "torque": "TORQUE", "maui": "Maui and Moab", "slurm": "Slurm"}


def why(comment: str | None = None, state: str = "queued", hold: str | None = None, needs: str | None = None) -> Reason:
    """What webstat says of job 17 of dave, in the queue long."""
    return reason(
        state=state, comment=comment, hold=hold, depends_on=needs, job_id="17", user="dave", queue="long", ahead=3
    )


def tables() -> str:
    """The document's tables: one line for each row of a table, with the first text that it holds."""
    lines = []
    for scheduler, title in TITLES.items():
        lines += [
            f"### {title}",
            "",
            "| it says | kind | webstat says | what would help | from |",
            "|---|---|---|---|---|",
        ]
        seen = set()
        for sample in SOURCES[scheduler]:
            found = row_of(sample["comment"])
            assert found is not None, sample
            if found[0] not in seen:
                seen.add(found[0])
                lines.append(_line(sample["comment"], why(sample["comment"]), f"`{sample['source']}`"))
        lines.append("")
    lines += ["### Without a text", "", "| told | kind | webstat says | what would help | |", "|---|---|---|---|---|"]
    lines += [
        _line(f"{state}, hold {hold}" if hold else state, why(None, state, hold, needs), "")
        for state, hold, needs in HOLDS
    ]
    lines += [_line(needs, why(None, "held", "s", needs), "") for needs in NEEDS]
    return "\n".join([*lines, ""])


def _line(said: str, told: Reason, source: str) -> str:
    cells = (f"`{said}`", told.kind, told.words, told.helps or NO_HELP, source)
    return "| " + " | ".join(cell.replace("|", "\\|").replace(NBSP, " ") for cell in cells) + " |"


if __name__ == "__main__":
    print(tables(), end="")
