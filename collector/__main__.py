"""The collector's command line: run, once, check, keys, migrate, backup, restore, copy, import-accounting, rollup, prune."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from pathlib import Path

import click
import zmq.asyncio

from agent import __version__, notify
from agent.errors import AgentError
from agent.log import FORMATS, start_logging
from collector import backup as copies
from collector.check import Finding, check_cluster, check_sockets
from collector.copy import copy_store
from collector.database import migrate as migrate_schema
from collector.database import open_engine
from collector.errors import CollectorError, PollFailed
from collector.import_command import import_accounting
from collector.keys_command import make_site_keys
from collector.prune_command import prune_all, show_doomed
from collector.rollup_command import rollup as roll_up
from collector.service import ALL_REGIONS, Service
from collector.settings import Settings, load_settings, log_settings, settings_path
from collector.store import LEASE_SECONDS, Store

MARKS = {True: "✓", False: "✕", None: "!"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="webstat collector %(version)s")
@click.option("--config", metavar="FILE", help="webstat.toml; else $WEBSTAT_CONFIG, else ./webstat.toml")
@click.option("-v", "--verbose", is_flag=True, help="Also log what goes well in detail.")
@click.option("--log-format", type=click.Choice(FORMATS), help="Form of the log's lines; else that of [log].")
@click.pass_context
def main(context: click.Context, config: str | None, verbose: bool, log_format: str | None) -> None:
    """Ask every agent of webstat.toml, keep what changed, announce new data."""
    context.obj = settings_path(config)
    wanted = log_settings(context.obj)
    start_logging("debug" if verbose else wanted.level, log_format or wanted.format)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _settings(path: Path, need_clusters: bool = True) -> Settings:
    settings = load_settings(path)
    if need_clusters and not settings.cluster:
        raise CollectorError(f"{path} names no cluster; add a [[cluster]] table with name and agent")
    return settings


@main.command()
@click.option("--region", envvar="WEBSTAT_REGION", help="Poll the clusters of this region, instead of those of none.")
@click.pass_obj
def run(path: Path, region: str | None) -> None:
    """Poll all clusters until SIGTERM or Ctrl-C. On PostgreSQL several that run share them."""
    settings = _settings(path)
    regions = sorted({entry.region or "none" for entry in settings.cluster})
    if (region or "none") not in regions:
        raise CollectorError(f"no cluster of {path} is of region {region or 'none'}; there are: {', '.join(regions)}")
    store = Store(settings.store.url, settings.collector.lease_seconds)
    try:
        asyncio.run(_run(settings, store, region))
    finally:
        store.close()


async def _run(settings: Settings, store: Store, region: str | None) -> None:
    service = Service(settings, store, region)
    task = asyncio.ensure_future(service.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger("collector").info("stopped by a signal")
    finally:
        notify.stopping()
        service.close()


@main.command()
@click.pass_obj
def once(path: Path) -> None:
    """Poll every cluster once and say what came; exit code 1 if one failed."""
    settings = _settings(path)
    longest = settings.collector.timeout_seconds * (settings.collector.retries + 1)
    store = Store(settings.store.url, longest + LEASE_SECONDS)  # nothing is written until the slowest has answered
    try:
        store.hold(*store.sync_clusters(settings).values())
        failed = asyncio.run(_once(settings, store))
    finally:
        store.close()
    sys.exit(1 if failed else 0)


async def _once(settings: Settings, store: Store) -> int:
    service = Service(settings, store, ALL_REGIONS)
    try:
        outcomes = await asyncio.gather(*(service.poll(watch) for watch in service.watches))
        for watch, outcome in zip(service.watches, outcomes, strict=True):
            if isinstance(outcome, PollFailed):
                click.echo(f"✕ {watch.name}: {outcome}")
            else:
                store.roll_up(watch.id)
                words = "stored" if outcome.is_new else "was stored already"
                click.echo(f"✓ {watch.name}: report {outcome.report} {words}, {outcome.jobs_changed} jobs changed")
        return sum(isinstance(outcome, PollFailed) for outcome in outcomes)
    finally:
        service.close()


@main.command()
@click.pass_obj
def check(path: Path) -> None:
    """Say, cluster by cluster, what works and what to do about what does not; exit code 1 if something fails."""
    sys.exit(1 if asyncio.run(_check(_settings(path))) else 0)


async def _check(settings: Settings) -> int:
    context = zmq.asyncio.Context()
    failed = 0

    def say(finding: Finding) -> None:
        nonlocal failed
        failed += finding.ok is False
        click.echo(f"  {MARKS[finding.ok]} {finding.what:9} {finding.words}")

    try:
        for cluster in settings.cluster:
            click.echo(f"{cluster.name} ({cluster.agent})")
            async for finding in check_cluster(context, cluster, settings):
                say(finding)
        click.echo(f"announcements and refreshes ({settings.collector.announce}, {settings.collector.refresh})")
        for finding in check_sockets(settings):
            say(finding)
    finally:
        context.destroy(linger=0)
    return failed


@main.command()
@click.option(
    "--dir", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Where; else keys/ beside webstat.toml."
)
@click.option("--no-agents", is_flag=True, help="Only those of collector and page.")
@click.pass_obj
def keys(path: Path, folder: Path | None, no_agents: bool) -> None:
    """Make the CURVE keys of collector, page and agents that are missing, check the others, and say what goes where.

    What exists is left alone.
    """
    base = path.resolve().parent
    for line in make_site_keys(_settings(path, need_clusters=False), base, folder or base / "keys", not no_agents):
        click.echo(line)


@main.command()
@click.pass_obj
def migrate(path: Path) -> None:
    """Bring the store's schema to this version's; run does so by itself."""
    settings = _settings(path, need_clusters=False)
    engine = open_engine(settings.store.url)
    try:
        before, after = migrate_schema(engine)
    finally:
        engine.dispose()
    click.echo(f"schema {after}" if before == after else f"schema {before or 'none'} -> {after}")


@main.command()
@click.argument("to", metavar="FILE|DIR", type=click.Path(path_type=Path))
@click.pass_obj
def backup(path: Path, to: Path) -> None:
    """Copy the store (SQLite) to a new FILE, or into DIR under a name with the time; also while the collector runs.

    The copy is of one moment and is checked. Exit code 1 where there is none; then nothing is left behind.
    """
    began = time.monotonic()
    file = copies.backup(_settings(path, need_clusters=False), to)
    click.echo(f"{file}: {file.stat().st_size:,} bytes, checked, in {time.monotonic() - began:.1f} s")


@main.command()
@click.argument("copy", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def restore(path: Path, copy: Path) -> None:
    """Put a copy that backup made in the store's place; the store that was there is kept beside it.

    Stop the collector before; the page may go on.
    """
    aside = copies.restore(_settings(path, need_clusters=False), copy)
    click.echo(f"{copy} is the store now; start the collector")
    if aside is not None:
        click.echo(f"the store that was there: {aside}")


@main.command()
@click.argument("sqlite", metavar="SQLITE_URL")
@click.argument("postgresql", metavar="POSTGRESQL_URL")
def copy(sqlite: str, postgresql: str) -> None:
    """Move a site: copy a store from SQLite into an empty PostgreSQL database, and compare every row.

    Stop the collector before. All is copied or nothing; the file stays as it is. Then put the new address into [store] url.
    """
    began = time.monotonic()
    counts = copy_store(sqlite, postgresql)
    for table, rows in counts.items():
        if rows:
            click.echo(f"{table:15} {rows:>12,} rows")
    click.echo(f"copied and compared in {time.monotonic() - began:.1f} s; write the new address into [store] url")


@main.command("import-accounting")
@click.argument("cluster")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--timezone", metavar="NAME", help="Zone of the logs' local times, e.g. Europe/Athens; else this host's.")
@click.pass_obj
def import_logs(path: Path, cluster: str, paths: tuple[Path, ...], timezone: str | None) -> None:
    """Read jobs of the past from PBS or TORQUE accounting logs, or .swf traces.

    PATH is a log (also .gz) or a folder of them. Reading one twice changes nothing; killed, it goes on where it was.
    Stop the collector meanwhile. Exit code 1 if nothing could be read.
    """
    sys.exit(import_accounting(_settings(path), cluster, paths, timezone))


@main.command()
@click.argument("clusters", metavar="[CLUSTER]...", nargs=-1)
@click.option("--rebuild", is_flag=True, help="Make all of them again for which the jobs are still kept.")
@click.pass_obj
def rollup(path: Path, clusters: tuple[str, ...], rebuild: bool) -> None:
    """Bring the sums of hours and days, and the columns of months, up to date; a running collector does so by itself.

    Of all clusters, or of those named. Killed, the next one goes on where it was, also without --rebuild.
    Stop the collector meanwhile.
    """
    roll_up(_settings(path), clusters, rebuild)


@main.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go, table by table; also while the collector runs.")
@click.pass_obj
def prune(path: Path, dry_run: bool) -> None:
    """Delete what is older than [retention] keeps, in small steps; a running collector does so by itself.

    Killed, the next one goes on where it was. The store's file does not shrink; what is free in it is used again.
    """
    settings = _settings(path)
    if dry_run:
        show_doomed(settings)
    else:
        prune_all(settings)


def _entry() -> None:
    try:
        main(prog_name="python -m collector")
    except (CollectorError, AgentError) as error:
        click.echo(f"collector: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    _entry()
