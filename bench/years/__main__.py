"""`make bench-store`: the command line; every option can be given by environment, too."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bench.years.clusters import END, plan_of
from bench.years.make import MadeOtherwise, make


@click.command()
@click.option("--jobs", envvar="BENCH_JOBS", default=10_000_000, show_default=True, type=click.IntRange(1))
@click.option(
    "--clusters", envvar="BENCH_CLUSTERS", type=click.IntRange(1, 99), help="10, or 3 for less than a million jobs."
)
@click.option(
    "--years",
    envvar="BENCH_YEARS",
    type=click.FloatRange(0.02, 20),
    help="As long as the clusters need for so many jobs: 5 for a million a cluster.",
)
@click.option("--seed", envvar="BENCH_SEED", default=1, show_default=True)
@click.option(
    "--end",
    envvar="BENCH_END",
    type=click.DateTime(["%Y-%m-%d"]),
    default=datetime.fromtimestamp(END, UTC).strftime("%Y-%m-%d"),
    show_default=True,
    help="The (UTC) day at whose beginning the last reports are taken.",
)
@click.option(
    "--path",
    envvar="BENCH_PATH",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/bench-5y"),
    show_default=True,
    help="Folder of the store.",
)
@click.option("--pack-only", is_flag=True, help="Only make the columns of history again, in a store that is whole.")
def main(
    jobs: int, clusters: int | None, years: float | None, seed: int, end: datetime, path: Path, pack_only: bool
) -> None:
    """Make a store of years of jobs. Killed anywhere, it goes on where it was when it is called again."""
    plan = plan_of(jobs, clusters, years, seed, int(end.replace(tzinfo=UTC).timestamp()))
    try:
        make(plan, path, pack_only)
    except MadeOtherwise as error:
        sys.exit(f"bench-store: {error}")


if __name__ == "__main__":
    main()
