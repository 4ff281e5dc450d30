"""How far a command is that takes long: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

LINE_SECONDS = 5.0
"""Between two lines of progress, where no bar can be drawn."""


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[int, str], None]]:
    """Call what this gives with (steps done since the last call, words)."""
    if sys.stdout.isatty():
        bar: Any = click.progressbar(length=total, label=label, item_show_func=lambda words: words or "", width=24)
        with bar:
            yield bar.update
        return
    said, done = time.monotonic(), 0

    def say(steps: int, words: str) -> None:
        nonlocal said, done
        done += steps
        if time.monotonic() - said >= LINE_SECONDS:
            said = time.monotonic()
            click.echo(f"{label} {done / max(total, 1):4.0%}  {words}")

    yield say
