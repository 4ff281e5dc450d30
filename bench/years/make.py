"""Makes a whole store: clusters are played in one process and written by another, with a bar while it goes on."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import click
from sqlalchemy import select

from bench.years.clusters import Cluster, Plan, clusters_of
from bench.years.machine import Machine, Played
from bench.years.write import Writer
from collector.progress import progress
from collector.rollup_command import work_off
from collector.schema import import_file
from collector.settings import Settings, load_settings
from collector.store import Store

_CONFIG = """# A made store; nothing polls these clusters.
[store]
url = "sqlite:///store.sqlite"
[collector]
announce = "tcp://127.0.0.1:17622"
refresh = "tcp://127.0.0.1:17623"
[web]
title = "webstat bench"
"""
_CLUSTER = """[[cluster]]
name = "{name}"
agent = "tcp://127.0.0.1:1"
demo = true
"""


class MadeOtherwise(Exception):
    """There is a store already, and not of this plan."""


def make(plan: Plan, path: Path, pack_only: bool = False) -> None:
    """Make the store of a plan in a folder, or what is missing of it."""
    settings = _settings(plan, path)
    store = Store(settings.store.url)
    try:
        ids = store.sync_clusters(settings)
        _check(store, plan)
        begun = time.monotonic()
        writers = [Writer(store, one, ids[one.name], plan.mark) for one in clusters_of(plan)]
        missing = [one for one in writers if not one.is_whole]
        if pack_only and missing:
            raise MadeOtherwise("the store is not whole; call it without --pack-only first")
        with _played(plan, [one.cluster for one in missing]) as stretches:
            for writer in writers:
                if writer in missing:
                    _write(writer, stretches)
                if pack_only:
                    writer.forget_columns()
                hours, months = work_off(store, ids[writer.cluster.name])
                click.echo(f"{writer.cluster.name}: {hours:,} hours summed, {months:,} months packed")
    finally:
        store.close()
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    click.echo(f"{settings.store.url.removeprefix('sqlite:///')}: {time.monotonic() - begun:,.0f} s, {peak:,.0f} MB")


def _settings(plan: Plan, path: Path) -> Settings:
    path.mkdir(parents=True, exist_ok=True)
    config = path / "webstat.toml"
    text = _CONFIG + "".join(_CLUSTER.format(name=one.name) for one in clusters_of(plan))
    if config.exists() and config.read_text() != text:
        raise MadeOtherwise(f"{path} has a store of other clusters; name another folder, or remove it")
    config.write_text(text)
    return load_settings(config)


def _check(store: Store, plan: Plan) -> None:
    with store.engine.connect() as connection:
        marks = set(connection.execute(select(import_file.c.mark)).scalars())
    if marks - {plan.mark}:
        raise MadeOtherwise("the folder has a store of another plan; name another folder, or remove it")


def _write(writer: Writer, stretches: Iterator[Played]) -> None:
    cluster, done, place, begun = writer.cluster, 0, writer.cluster.start, time.monotonic()
    with progress(cluster.end - place, cluster.name) as say:
        for number, played in enumerate(stretches):
            writer.write(number, played)
            done += len(played.ended)
            say(played.until - place, f"{done:,} jobs, {done / (time.monotonic() - begun):,.0f} a second")
            place = played.until
            if place >= cluster.end:
                return


@contextmanager
def _played(plan: Plan, clusters: list[Cluster]) -> Iterator[Iterator[Played]]:
    """What the clusters come to, one after the other, played by another process a stretch ahead."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe(duplex=False)
    player = processes.Process(target=_play, args=(theirs, plan, [one.number for one in clusters]), daemon=True)
    player.start()
    theirs.close()
    try:
        yield iter(ours.recv, None)
    finally:
        player.terminate()
        player.join()


def _play(pipe: Connection, plan: Plan, numbers: list[int]) -> None:
    for cluster in clusters_of(plan):
        if cluster.number in numbers:
            for played in Machine(cluster).play():
                pipe.send(played)
