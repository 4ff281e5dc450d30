"""The collector's errors, in one tree. Messages say what was expected, what came, and what to do.

    CollectorError
    ├── SettingsError      webstat.toml cannot be read, or a line of it is wrong
    ├── PollFailed         one poll brought no report: carries a stable code and words
    │   └── NoAnswer       nothing came within the time (code "silent")
    │       └── NoneYet    the agent took the request: its commands may still run
    ├── ImportRefused      an import cannot be begun
    └── StoreError         the store cannot be used
        ├── StoreBusy      another collector writes it; the message names it
        ├── StoreTooNew    it was written by a newer webstat
        └── LeaseLost      another collector may poll what this one did

What the agent's modules raise is translated where it is met (client.py).
"""

from __future__ import annotations


class CollectorError(Exception):
    """Anything the collector reports to a person."""


class SettingsError(CollectorError):
    """webstat.toml cannot be read, or a line of it is wrong."""


class PollFailed(CollectorError):
    """One poll brought no report.

    `code` is stable: `silent`, `refused`, `protocol`, `too_large`, `malformed`, or the agent's own
    code when it answered with an error (`command_failed`, `command_timeout`, …).
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class NoAnswer(PollFailed):
    """Nothing came within the time."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "silent")


class NoneYet(NoAnswer):
    """The agent took the request and did not answer within the time: its commands may still run."""


class ImportRefused(CollectorError):
    """An import cannot be begun: no such file or cluster, or nothing in it that can be read."""


class StoreError(CollectorError):
    """The store cannot be used."""


class StoreBusy(StoreError):
    """Another collector writes the store; the message names it."""


class StoreTooNew(StoreError):
    """The store was written by a newer webstat."""


class LeaseLost(StoreError):
    """The database ended the connection with which this collector held its clusters: another one may poll them now."""
