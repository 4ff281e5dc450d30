"""`python -m webstat doctor`: the whole installation looked at as an admin would, each thing with what to do about it.

It reads and changes nothing, and asks no cluster: for that it points to `python -m collector check`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from collector.errors import SettingsError
from collector.settings import Settings, settings_path
from webstat.data.source import Source
from webstat.doctor import host, served, site, stored
from webstat.doctor.finding import Finding, Level, ok, problem
from webstat.serve import check_exposure
from webstat.start import settings_of

LOOKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.PROBLEM: ("✕", "red")}


def find_all(config: Path | None) -> Iterator[Finding]:
    """Every finding, as it is made; without readable settings only what needs none."""
    yield from _guarded("versions", site.check_versions)
    yield from _guarded("assets", site.check_assets)
    yield from _guarded("units", host.check_units)
    path = settings_path(str(config) if config else None)
    try:
        settings = settings_of(config)
    except SettingsError as error:
        yield Finding(Level.PROBLEM, "settings", " ".join(str(error).split()), "change webstat.toml")
        return
    yield from _guarded("settings", lambda: site.check_settings(settings, path))
    yield from _guarded("access", lambda: _exposure(settings))
    yield from _guarded("keys", lambda: site.check_keys(settings))
    yield from _guarded("zone", lambda: host.check_zone(settings))
    yield from _guarded("page", lambda: served.check_page(settings))
    yield from _guarded("memcached", lambda: served.check_memcached(settings))
    yield from _guarded("store", lambda: _of_store(settings))


def _exposure(settings: Settings) -> Iterator[Finding]:
    try:
        check_exposure(settings)
    except SettingsError as error:
        yield problem("access", " ".join(str(error).split()), "docs/access.md says how people are known")
    else:
        yield ok("access", f"mode {settings.access.mode}, at {settings.web.host}")


def _of_store(settings: Settings) -> Iterator[Finding]:
    source = Source(settings)
    try:
        yield from _guarded("store", lambda: stored.check_store(source))
        yield from _guarded("disk", lambda: stored.check_disk(settings))
        yield from _guarded("collector", lambda: served.check_collector(source))
        yield from _guarded("clock", lambda: stored.check_clock(source))
        yield from _guarded("cluster", lambda: stored.check_clusters(source))
    finally:
        source.close()


def _guarded(what: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds; that it failed itself is a finding too, and the others go on."""
    try:
        yield from check()
    except Exception as error:
        words = f"this could not be looked at: {type(error).__name__}: {' '.join(str(error).split())}"
        yield Finding(Level.PROBLEM, what, words, "run it as the user of the services, in their folder")


def show(findings: Iterable[Finding], as_json: bool, terminal: bool) -> int:
    """Print findings; returns the exit code: 0 where all is well, 1 with warnings, 2 with problems."""
    worst, told = Level.OK, []
    for one in findings:
        worst = max(worst, one.level)
        told.append(one.to_json())
        if not as_json:
            click.echo(_line(one, terminal))
    if as_json:
        click.echo(json.dumps({"worst": worst.name.lower(), "findings": told}, indent=2))
    return int(worst)


def _line(one: Finding, terminal: bool) -> str:
    mark, colour = LOOKS[one.level]
    head = click.style(mark, fg=colour, bold=True) if terminal else f"{one.level.name.lower():8}"
    action = f" → {one.action}" if one.action else ""
    return f"{head} {one.what:10} {one.words}{action}"
