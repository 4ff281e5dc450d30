"""`make bench`: every measurement, one after the other; name some to run only those."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from os import cpu_count, getloadavg

BENCHES = {
    "parse": "recorded output to records, against json.loads",
    "store": "storing a report, and bytes on disk per finished job",
    "fleet": "one collector for 170 clusters with 100,000 jobs, against reading their answers",
    "databases": "the same store in PostgreSQL and in SQLite; months dropped, and deleted",
    "imports": "a million records of accounting logs, against splitting their lines",
    "history": "the history explorer on a store of years, against DuckDB",
    "moment": "any past moment, against plain SQL over the spans",
    "advise": "where to submit, what is free when, when jobs start: ten clusters with 100,000 jobs, against reading their frames",
    "page": "how soon pages are there, and how soon the table of jobs answers a key",
    "viewers": "fifty people watching, two hundred idle: drawings, bytes, polls",
    "workers": "one, two and four web processes behind HAProxy, with memcached and without",
    "door": "what HAProxy, sessions, tokens and privacy add to an answer",
    "live": "from the report in the collector to the figure in the browser",
}


def main() -> None:
    """Run those named on the command line, else all."""
    wanted = sys.argv[1:] or list(BENCHES)
    unknown = [name for name in wanted if name not in BENCHES]
    if unknown:
        sys.exit(f"bench: no measurement is named {unknown[0]}; there are: {', '.join(BENCHES)}")
    print(f"Python {platform.python_version()}, {cpu_count()} cores, load {getloadavg()[0]:.1f}")
    for name in wanted:
        print(f"\n== {name}: {BENCHES[name]}")
        import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main()
