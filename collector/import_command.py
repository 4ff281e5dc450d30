"""`import-accounting` as people see it: what is read, a bar while it goes on, a summary at the end.

The reading itself is imports.py's.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from agent.errors import SettingsError as ZoneError
from agent.zones import local_zone_name, zone_named
from collector.errors import ImportRefused, StoreBusy
from collector.imports import Import, Summary
from collector.logfiles import find_files
from collector.progress import progress
from collector.rollup_command import work_off
from collector.settings import Settings
from collector.store import Store

SHOWN_SKIPPED = 5


def import_accounting(settings: Settings, cluster: str, paths: Sequence[Path], timezone: str | None) -> int:
    """Read the logs, then bring the sums of the hours up to date; returns the exit code.

    Raises ImportRefused for a cluster or path that does not exist, StoreBusy while a collector writes the store.
    """
    names = [entry.name for entry in settings.cluster]
    if cluster not in names:
        raise ImportRefused(
            f"there is no cluster {cluster!r} in webstat.toml; "
            + (f"there are: {', '.join(names)}" if names else "it names none; add a [[cluster]] table")
        )
    try:
        zone = zone_named(timezone or _host_zone())
    except ZoneError as error:
        raise ImportRefused(str(error)) from None
    listing = find_files(paths)
    _say_what(listing.skipped)
    if not listing.files:
        raise ImportRefused(
            "there is no accounting log; logs are named by their day (20261123 or 20261123.gz), traces *.swf"
        )
    click.echo(
        f"{_files(len(listing.files))}; times without a zone are read as {timezone or _host_zone() or 'local time'}"
    )
    try:
        store = Store(settings.store.url)
    except StoreBusy as error:
        raise StoreBusy(f"{error}, import, then start it again") from None
    try:
        cluster_id = store.sync_clusters(settings)[cluster]
        store.hold(cluster_id)
        reading = Import(store.engine, store.words, cluster_id, zone, time.time())
        begun = time.monotonic()
        _read(reading, listing.files)
        _close(reading.summary, time.monotonic() - begun)
        work_off(store, cluster_id)
    finally:
        store.close()
    summary = reading.summary
    return 0 if summary.records or summary.files_known else 1


def _host_zone() -> str | None:
    """The name of this host's zone; None where it is known only to the C library."""
    name = local_zone_name()
    return name if name != "UTC" or time.localtime().tm_gmtoff == 0 == time.timezone else None


def _say_what(skipped: Sequence[Path]) -> None:
    if skipped:
        more = f" and {len(skipped) - SHOWN_SKIPPED} more" if len(skipped) > SHOWN_SKIPPED else ""
        names = ", ".join(click.format_filename(path, shorten=True) for path in skipped[:SHOWN_SKIPPED])
        click.echo(f"passed over, since their names are no dates: {names}{more}")


def _read(reading: Import, files: Sequence[Path]) -> None:
    total = sum(path.stat().st_size for path in files if path.exists())
    begun = time.monotonic()
    done = 0
    with progress(total, "reading") as say:
        for path in reading.run(files):
            summary = reading.summary
            rate = summary.records / max(time.monotonic() - begun, 0.001)
            words = (
                f"{_size(summary.bytes_read)} of {_size(total)}, {rate:,.0f} records/s, "
                f"{summary.jobs.new:,} jobs new, {summary.jobs.corrected:,} corrected, {path.name}"
            )
            say(summary.bytes_read - done, words)
            done = summary.bytes_read


def _close(summary: Summary, seconds: float) -> None:
    for one in summary.problems:
        click.echo(f"skipped {one.place}: {one.reason}")
    if summary.skipped > len(summary.problems):
        click.echo(f"skipped {summary.skipped - len(summary.problems):,} more lines")
    for one in summary.troubles:
        click.echo(f"not read to its end: {one.place}: {one.reason}")
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(summary.kinds.items()))
    click.echo(f"{summary.records:,} records in {_files(summary.files)} ({kinds or 'none'})")
    if summary.files_known:
        click.echo(f"{_files(summary.files_known)} had been read before")
    click.echo(
        f"jobs: {summary.jobs.new:,} new, {summary.jobs.corrected:,} corrected, {summary.jobs.known:,} already known"
    )
    if summary.jobs.pruned:
        click.echo(f"{summary.jobs.pruned:,} jobs older than what is kept ([retention] spans_days) were passed over")
    if summary.since is not None and summary.until is not None:
        click.echo(f"from {_moment(summary.since)} to {_moment(summary.until)}")
    click.echo(f"{seconds:.1f} s, {summary.records / max(seconds, 0.001):,.0f} records/s")


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number:,} files"


def _moment(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(second))


def _size(number: float) -> str:
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
