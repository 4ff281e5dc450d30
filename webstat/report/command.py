"""`python -m webstat report`: what was wished, made and written; words for who waits go to standard error.

Standard output has what was asked to go there, nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

import click

from agent.errors import SettingsError
from agent.zones import local_zone_name, zone_named
from collector.settings import Settings
from webstat.data.source import Source
from webstat.errors import NoReport
from webstat.format import NBSP
from webstat.report import period as periods
from webstat.report.asking import Subject
from webstat.report.contents import report
from webstat.report.files import stem, table_csvs, tidy_csv
from webstat.report.html import html
from webstat.report.model import Report
from webstat.report.period import Period

_WIPE = "\r\033[K"


@dataclass(frozen=True)
class Wish:
    """The command line."""

    groups: Sequence[str] = ()
    clusters: Sequence[str] = ()
    users: Sequence[str] = ()
    named: Mapping[str, str | None] | None = None
    """Kind of period -> the one that is named."""
    last: str | None = None
    zone: str | None = None
    out: str | None = None
    csv: str | None = None
    quiet: bool = False

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Whose reports."""
        by_kind = (("group", self.groups), ("cluster", self.clusters), ("user", self.users))
        found = [Subject(kind, name) for kind, names in by_kind for name in dict.fromkeys(names)]
        return tuple(found) or (Subject("everything"),)


def make_reports(settings: Settings, wish: Wish) -> int:
    """Make and write them; returns the exit code. What fails for one subject does not keep the others.

    Raises click.UsageError, StoreEmpty, StoreBroken.
    """
    now = time.time()
    period = _period(wish, _zone(wish.zone or settings.web.timezone), now)
    subjects = wish.subjects
    _check_places(wish, len(subjects))
    source = Source(settings)
    made: list[Report] = []
    try:
        for number, subject in enumerate(subjects, 1):
            _progress(wish, f"{number} of {len(subjects)}: {subject.kind} {subject.name}")
            try:
                made.append(report(source, subject, period, now))
            except NoReport as error:
                _progress(wish, "")
                click.echo(f"webstat: {error}", err=True)
    finally:
        source.close()
        _progress(wish, "")
    try:
        for one in made:
            _write_html(one, wish)
        if wish.csv is not None and made:
            _write_csv(made, wish)
    except OSError as error:
        click.echo(f"webstat: {error.filename} cannot be written: {error.strerror}", err=True)
        return 1
    return 0 if len(made) == len(subjects) else 1


def _zone(name: str | None) -> tzinfo:
    try:
        return zone_named(name or local_zone_name())
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def _period(wish: Wish, zone: tzinfo, now: float) -> Period:
    named = [(kind, text) for kind, text in (wish.named or {}).items() if text is not None]
    if len(named) + (wish.last is not None) > 1:
        raise click.UsageError("Give one of --month, --week, --day and --last.")
    if not named:
        return periods.last(wish.last or "month", now, zone)
    try:
        return periods.read(*named[0], zone)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _check_places(wish: Wish, count: int) -> None:
    if wish.out == "-" and wish.csv == "-":
        raise click.UsageError("Only one of --out and --csv can go to standard output.")
    for option, place in (("--out", wish.out), ("--csv", wish.csv)):
        if place is not None and place.endswith("/") and not Path(place).is_dir():
            raise click.UsageError(f"{option} {place}: there is no such folder; make it first.")
    if count > 1 and wish.out is not None and not Path(wish.out).is_dir():
        raise click.UsageError(f"{count} reports need a folder: --out DIR, one that exists.")


def _write_html(one: Report, wish: Wish) -> None:
    if wish.out is None and wish.csv is not None:
        return
    text = html(one)
    if wish.out == "-":
        _to_stdout(text)
        return
    path = Path(wish.out or ".")
    if path.is_dir():
        path /= f"{stem(one)}.html"
    _write(path, text, wish)
    _say(wish, f"  {one.headline.replace(NBSP, ' ')}")


def _write_csv(made: Sequence[Report], wish: Wish) -> None:
    if wish.csv == "-":
        _to_stdout(tidy_csv(made))
    elif Path(wish.csv or "").is_dir():
        for one in made:
            for name, text in table_csvs(one).items():
                _write(Path(wish.csv or "") / name, text, wish)
    else:
        _write(Path(wish.csv or ""), tidy_csv(made), wish)


def _write(path: Path, text: str, wish: Wish) -> None:
    path.write_bytes(_bytes(text))
    _say(wish, f"{path} written")


def _to_stdout(text: str) -> None:
    # Whatever the locale of cron is: files and mail are UTF-8.
    sys.stdout.buffer.write(_bytes(text))
    sys.stdout.buffer.flush()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _say(wish: Wish, words: str) -> None:
    if not wish.quiet:
        click.echo(words, err=True)


def _progress(wish: Wish, words: str) -> None:
    """A line that the next one wipes out; on a terminal only."""
    if sys.stderr.isatty() and not wish.quiet:
        click.echo(_WIPE + words, nl=False, err=True)
