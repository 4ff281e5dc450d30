"""`python -m demo prepare STATE_DIR`, `serve STATE_DIR`, `show STATE_DIR CLUSTER qstat -f ...`."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from demo.dialects import answer
from demo.past import write_reports
from demo.server import run_server
from demo.state import DAYS, bin_folder, load_epoch, prepare


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="Simulated clusters behind real-looking qstat.")
    commands = parser.add_subparsers(dest="command", required=True)
    prepare_parser = commands.add_parser("prepare", help="make the folder: epoch, and the commands of each cluster")
    prepare_parser.add_argument("state", type=Path)
    prepare_parser.add_argument("--seed", type=int, default=1)
    prepare_parser.add_argument("--days", type=int, default=DAYS, help="of past")
    prepare_parser.add_argument("--fresh", action="store_true", help="begin anew where the folder was prepared before")
    serve_parser = commands.add_parser("serve", help="prepare, then answer the commands until SIGTERM")
    serve_parser.add_argument("state", type=Path)
    serve_parser.add_argument("--with-parent", action="store_true", help="end when the parent process is gone")
    show_parser = commands.add_parser("show", help="print what one command would print now, without a server")
    show_parser.add_argument("state", type=Path)
    show_parser.add_argument("cluster")
    show_parser.add_argument("argv", nargs=argparse.REMAINDER, help="e.g. qstat -f")
    past_parser = commands.add_parser("past", help="write pickled reports; what demo.past.all_reports starts")
    past_parser.add_argument("state", type=Path)
    past_parser.add_argument("cluster")
    past_parser.add_argument("until", type=int)
    given = parser.parse_args(arguments)
    command: str = given.command
    if command == "prepare":
        epoch = prepare(given.state, given.seed, given.days, fresh=given.fresh)
        for name in epoch.clusters:
            print(bin_folder(given.state, name))
        return 0
    if command == "serve":
        prepare(given.state)
        return run_server(given.state, lambda line: print(line, flush=True), given.with_parent)
    epoch = load_epoch(given.state)
    if command == "past":
        write_reports(epoch, given.cluster, given.until, sys.stdout.buffer)
        return 0
    simulation = epoch.simulate(given.cluster)
    simulation.advance(int(time.time()))
    printed = answer(simulation, given.argv or ["qstat"])
    sys.stdout.buffer.write(printed.stdout)
    sys.stderr.buffer.write(printed.stderr)
    return printed.exit_code


if __name__ == "__main__":
    sys.exit(main())
