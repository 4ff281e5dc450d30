"""The web side's errors, in one tree.

WebError
├── NoMoment     an address asks for a moment that there is none of
├── StoreEmpty   there is no store yet, or nothing in it: a state, not a fault
├── StoreBroken  the store is there and cannot be read
└── NoReport     a report that was asked for cannot be made
"""

from __future__ import annotations


class WebError(Exception):
    """Anything that a page shows in words instead of data."""


class NoMoment(WebError):
    """An address asks for a past moment that it does not name, or that has not come; the text says which and what to do."""


class StoreEmpty(WebError):
    """The store's file, or its tables, do not exist yet; the collector makes them."""


class StoreBroken(WebError):
    """The store is there and cannot be read; the text says what it answered."""


class NoReport(WebError):
    """Nobody of that name is known, or nothing of that time; the text says which, and what there is."""
