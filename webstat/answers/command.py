"""`python -m webstat advise`: the advisor on a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping

import click
import orjson

from collector.settings import Settings
from webstat import twins
from webstat.answers.advise import ORDER, advise
from webstat.answers.judge import Verdict
from webstat.answers.request import read_request
from webstat.data.source import Source
from webstat.errors import StoreEmpty

EXITS = {Verdict.NOW: 0, Verdict.LATER: 3, Verdict.NEVER: 4}
"""Best verdict -> exit code; 1 and 2 say that there is no answer."""


def show_advice(settings: Settings, asked: Mapping[str, str], as_json: bool) -> int:
    """Print the answers; returns the exit code. Raises StoreEmpty, StoreBroken."""
    request, problems = read_request(asked)
    for name, hint in problems.items():
        raise click.BadParameter(f"expected {hint}", param_hint=f"--{name.replace('_', '-')}")
    now, source = time.time(), Source(settings)
    try:
        advice = advise(source, request, now)
        if not (advice.answers or advice.hopeless):
            raise StoreEmpty("no cluster with a queue has reported yet")
    finally:
        source.close()
    if as_json:
        click.echo(orjson.dumps(twins.advice_json(advice, now), option=orjson.OPT_INDENT_2).decode())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo("\n".join(twins.advice_text(advice, now, width)))
    return EXITS[min((one.verdict for one in advice.answers), key=ORDER.index, default=Verdict.NEVER)]
