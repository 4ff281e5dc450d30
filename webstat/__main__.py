"""webstat's command line beside its page: advise, report, token, doctor, forecast-report.

Each command loads its own modules when it is called: all of them take longer than most answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent import __version__
from collector.errors import CollectorError
from collector.settings import SCOPES, SEES
from webstat.access.tokens import make_token, token_table
from webstat.errors import StoreBroken, StoreEmpty, WebError
from webstat.report.period import KINDS
from webstat.start import keep_loaded, settings_of


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="webstat %(version)s")
@click.option("--config", type=Path, metavar="FILE", help="webstat.toml; else $WEBSTAT_CONFIG, else ./webstat.toml")
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """What webstat knows, without its page."""
    context.obj = config


@main.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", type=click.Choice(SCOPES), multiple=True, help="What it may do; read, if none is given."
)
@click.option("--sees", type=click.Choice(SEES), default="full", show_default=True, help="How much of people it sees.")
def token(name: str, scopes: tuple[str, ...], sees: str) -> None:
    """Make a token for a program called NAME.

    The token is shown once, on standard error; what webstat.toml needs of it, its hash, on standard output.
    """
    made = make_token()
    try:
        click.echo(token_table(name, made, scopes or ("read",), sees))
    except ValueError:
        raise click.BadParameter(f"{name!r}: use letters, digits, dot, dash or underscore") from None
    click.echo(f"The token, shown this once: {made}\nUse: curl -H 'Authorization: Bearer {made}' …", err=True)


@main.command()
@click.option("--group", "groups", metavar="NAME", multiple=True, help="A report of this group; may be given again.")
@click.option("--cluster", "clusters", metavar="NAME", multiple=True, help="A report of this cluster; the same.")
@click.option("--user", "users", metavar="NAME", multiple=True, help="A report of this user; the same.")
@click.option("--month", metavar=KINDS["month"], help="Of this month.")
@click.option("--week", metavar=KINDS["week"], help="Of this week, Monday to Sunday.")
@click.option("--day", metavar=KINDS["day"], help="Of this day.")
@click.option("--last", type=click.Choice(list(KINDS)), help="Of the last whole one; month, if nothing else is said.")
@click.option(
    "--zone",
    metavar="NAME",
    help="By the clock of this zone, e.g. Europe/Berlin; else that of webstat.toml, else this host's.",
)
@click.option("--out", metavar="FILE|DIR|-", help="HTML to this file, into this folder, or to standard output.")
@click.option(
    "--csv",
    metavar="FILE|DIR|-",
    help="CSV: to a file or standard output as rows of one number each; into a folder, a file for each table.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but what fails.")
@click.pass_obj
def report(
    config: Path | None,
    groups: tuple[str, ...],
    clusters: tuple[str, ...],
    users: tuple[str, ...],
    month: str | None,
    week: str | None,
    day: str | None,
    last: str | None,
    zone: str | None,
    out: str | None,
    csv: str | None,
    quiet: bool,
) -> None:
    """Who used what in a month, week or day: of groups, clusters or users, else of everything.

    Without --out and --csv an HTML file webstat-WHAT-PERIOD.html is written here. Exit code 1 if a report could not be
    made, 2 if the command line says something wrong.
    """
    from webstat.report.command import Wish, make_reports

    wish = Wish(groups, clusters, users, {"month": month, "week": week, "day": day}, last, zone, out, csv, quiet)
    sys.exit(make_reports(settings_of(config), wish))  # fmt: skip


@main.command()
@click.option("--cores", metavar="N", help="Cores in all.")
@click.option("--nodes", metavar="N", help="On so many different nodes; anywhere, if it is not said.")
@click.option("--cores-per-node", metavar="N", help="Cores on each node.")
@click.option("--gpus", metavar="N", help="GPUs in all.")
@click.option("--memory", metavar="SIZE", help="Over all nodes, e.g. 96gb; in GB without a unit.")
@click.option("--walltime", metavar="TIME", help="12:00 (hours:minutes), 12h, 2d or HH:MM:SS.")
@click.option("--user", metavar="NAME", help="Whose own limits are read too.")
@click.option("--group", metavar="NAME", help="The same of a group.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def advise(config: Path | None, as_json: bool, **asked: str | None) -> None:
    """Where a job should be submitted: every queue of every cluster, ranked, with the line to type.

    Exit code 0 where it can start now, 3 where it has to wait everywhere, 4 where it is impossible; 1 without an answer.
    """
    from webstat.answers.command import show_advice

    keep_loaded()
    sys.exit(show_advice(settings_of(config), {name: text or "" for name, text in asked.items()}, as_json))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def doctor(config: Path | None, as_json: bool) -> None:
    """Look at the whole installation: what is well, and what to do about what is not. Asks no cluster.

    Exit code 0 where all is well, 1 with warnings, 2 with problems.
    """
    from webstat.doctor import find_all, show

    sys.exit(show(find_all(config), as_json, sys.stdout.isatty()))


@main.command("forecast-report")
@click.argument(
    "traces", metavar="[TRACE.swf]...", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--days", type=float, help="How many days of the past are asked again; 30, of a trace all.")
@click.pass_obj
def forecast_report(config: Path | None, traces: tuple[Path, ...], days: float | None) -> None:
    """How often forecasts of when a job starts held, by cluster and queue: the past asked again.

    Of the store, or of traces. Exit code 1 where there are no jobs to ask about.
    """
    from webstat.answers.forecast_report import report_forecasts

    sys.exit(report_forecasts(settings_of(config), traces, days))


def _entry() -> None:
    try:
        main(prog_name="python -m webstat")
    except StoreEmpty as error:
        click.echo(f"webstat: there is no store yet, or nothing in it ({error}); the collector makes it", err=True)
        sys.exit(1)
    except StoreBroken as error:
        click.echo(f"webstat: the store cannot be read: {error}", err=True)
        sys.exit(1)
    except (WebError, CollectorError) as error:
        click.echo(f"webstat: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    _entry()
