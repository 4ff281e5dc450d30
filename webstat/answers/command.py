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
from webstat.answers.request import read_request
from webstat.data.source import Source


def show_advice(settings: Settings, asked: Mapping[str, str], as_json: bool) -> int:
    """Print the answers; returns the exit code. Raises StoreEmpty, StoreBroken."""
    request, problems = read_request(asked)
    for name, hint in problems.items():
        raise click.BadParameter(f"expected {hint}", param_hint=f"--{name.replace('_', '-')}")
    now, source = time.time(), Source(settings)
    try:
        advice = advise(source, request, now)
    finally:
        source.close()
    if as_json:
        click.echo(orjson.dumps(twins.advice_json(advice, now), option=orjson.OPT_INDENT_2).decode())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        click.echo("\n".join(twins.advice_text(advice, now, width)))
    return min((ORDER.index(one.verdict) for one in advice.answers), default=len(ORDER) - 1)
