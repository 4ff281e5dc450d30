"""What a parser has to tell beside the records it read: warnings, and whether anything was left out."""

from __future__ import annotations

from typing import Dict, List, Mapping, Tuple

from agent.parsers.values import Remembered, printable
from agent.report import Warning

MOST_WARNINGS = 100


class Notes:
    """The warnings of one listing: each said once, and no more of them than people would read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.complete = True
        """False once a record was left out, or the output was found to be cut."""
        self._said: Dict[Tuple[str, str], None] = {}
        self._unsaid = 0

    def add(self, message: str, record: str = "") -> None:
        """Remember a warning on the listing, or on the record with this name."""
        key = (f"{self.source}, {printable(record[:80])}" if record else self.source, printable(message[:300]))
        if key not in self._said:
            if len(self._said) < MOST_WARNINGS:
                self._said[key] = None
            else:
                self._unsaid += 1

    def leave_out(self, record: str, reason: str) -> None:
        """Note that something which is there is not in the report."""
        self.complete = False
        self.add(f"this record was left out: {reason}", record)

    def add_unreadable(self, conversions: Mapping[str, Remembered]) -> None:
        """Warn of every text that these could not read; the keys say what it should have been: `time`, `size`."""
        for kind, conversion in conversions.items():
            for text in conversion.unreadable:
                self.add(f"{text[:80]!r} is no {kind}; where it stands, nothing is told")

    def warnings(self) -> List[Warning]:
        """All of them, in order; the last one counts what was too much."""
        warnings = [Warning(source, message) for source, message in self._said]
        if self._unsaid:
            warnings.append(Warning(self.source, f"{self._unsaid} more warnings were left out"))
        return warnings
