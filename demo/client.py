"""What the demo's qstat, pbsnodes, pbs_rstat and scontrol run: ask the simulation, print its answer, exit as it says.

Nothing is computed or remembered here: without the simulation a command fails as the real one does when
its server is down. Kept light, because it is started several times for every report.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from demo.refusals import Words, answer_version, no_server

SOCKET = "simulation.socket"
"""In the state folder."""

TIMEOUT_SECONDS = 60.0


def run_command(kind: str, version: str, server: str, cluster: str, state: str, arguments: list[str]) -> int:
    """Do what `arguments` (as in sys.argv) say; returns the exit code."""
    argv = [Path(arguments[0]).name, *arguments[1:]]
    words = answer_version(kind, version, argv)
    if words is None:
        try:
            return _print_answer(state, cluster, argv)
        except OSError:
            words = no_server(kind, server, argv)
    return _print_words(words)


def _print_answer(state: str, cluster: str, argv: list[str]) -> int:
    """Raises OSError where no simulation answers, or it ends in the middle."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_SECONDS)
        # The path of a socket may have about 100 characters only, a state folder has as many as it wants.
        os.chdir(state)
        connection.connect(SOCKET)
        request = {"cluster": cluster, "argv": argv, "zone": os.environ.get("TZ")}
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as stream:
            head = stream.readline()
            if not head.endswith(b"\n"):
                raise ConnectionResetError("the simulation ended")
            sizes = json.loads(head)
            stdout, stderr = stream.read(sizes["stdout"]), stream.read(sizes["stderr"])
            if len(stdout) + len(stderr) < sizes["stdout"] + sizes["stderr"]:
                raise ConnectionResetError("the simulation ended")
    sys.stderr.buffer.write(stderr)
    try:
        sys.stdout.buffer.write(stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # qstat | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return int(sizes["exit_code"])


def _print_words(words: Words) -> int:
    exit_code, stdout, stderr = words
    sys.stdout.write(stdout)
    sys.stderr.write(stderr)
    return exit_code
