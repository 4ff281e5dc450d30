"""The demo's folder: which simulation it is (seed and start), and the commands that ask it.

STATE_DIR/epoch.json              seed, start, time zone offset: all that the simulation depends on
STATE_DIR/simulation.socket       while `python -m demo serve` runs
STATE_DIR/<cluster>/accounting/   the log of a cluster with OpenPBS, a file a day
STATE_DIR/<cluster>/bin/qstat     and pbsnodes (and pbs_rstat, or scontrol): to be put first on an agent's PATH
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from demo.clusters import Site, site_named, sites
from demo.simulation import Simulation

EPOCH_FILE = "epoch.json"
COMMANDS = {
    "openpbs": ("qstat", "pbsnodes", "pbs_rstat"),
    "torque": ("qstat", "pbsnodes"),
    "slurm": ("qstat", "pbsnodes", "scontrol"),
}
DAYS = 30

# /bin/sh starts it because an interpreter's path may be too long, or hold a space, for a #! line; for Python
# the second line is a string.
_SCRIPT = """#!/bin/sh
'''exec' "{python}" -IS "$0" "$@"
'''
import sys

sys.path.insert(0, {root!r})
from demo.client import run_command

sys.exit(run_command({kind!r}, {version!r}, {server!r}, {cluster!r}, {state!r}, sys.argv))
"""


@dataclass(frozen=True)
class Epoch:
    """What a demo's past and present follow from."""

    seed: int
    start: int
    """The first moment that can be asked for, unix seconds."""
    utc_offset: int
    """Seconds that local time is ahead of UTC: the rush hours are local."""
    clusters: tuple[str, ...]

    def simulate(self, cluster: str, remember: int = 2 * 3600) -> Simulation:
        """One cluster from the start; ended jobs are remembered for `remember` seconds."""
        return Simulation(site_named(cluster), self.seed, self.start, self.utc_offset, remember)


def prepare(
    state: Path, seed: int = 1, days: int = DAYS, clusters: tuple[str, ...] | None = None, fresh: bool = False
) -> Epoch:
    """Make the folder with `days` of past before now; one that was prepared before keeps its epoch unless `fresh`.

    The commands are written anew, for this Python and this copy of the project. The longer ago the epoch, the
    longer the simulation takes to reach the present: about 0.15 s a day.
    """
    state.mkdir(parents=True, exist_ok=True)
    state = state.resolve()
    if (state / EPOCH_FILE).exists() and not fresh:
        epoch = load_epoch(state)
    else:
        now = int(time.time())
        offset = datetime.fromtimestamp(now).astimezone().utcoffset()
        names = clusters or tuple(site.name for site in sites())
        epoch = Epoch(seed, now - days * 86400, int(offset.total_seconds()) if offset else 0, names)
        (state / EPOCH_FILE).write_text(json.dumps(asdict(epoch), indent=2) + "\n", encoding="utf-8")
    for name in epoch.clusters:
        _write_commands(state, site_named(name))
    return epoch


def load_epoch(state: Path) -> Epoch:
    """The epoch of a prepared folder. Raises FileNotFoundError where there is none."""
    fields = json.loads((state / EPOCH_FILE).read_text(encoding="utf-8"))
    return Epoch(fields["seed"], fields["start"], fields["utc_offset"], tuple(fields["clusters"]))


def bin_folder(state: Path, cluster: str) -> Path:
    """Where a cluster's commands are."""
    return state.resolve() / cluster / "bin"


def accounting_folder(state: Path, cluster: str) -> Path | None:
    """Where a cluster's accounting log is; None where its scheduler is not simulated so far."""
    return state.resolve() / cluster / "accounting" if site_named(cluster).kind == "openpbs" else None


def _write_commands(state: Path, site: Site) -> None:
    folder = bin_folder(state, site.name)
    folder.mkdir(parents=True, exist_ok=True)
    script = _SCRIPT.format(
        python=sys.executable,
        root=str(Path(__file__).resolve().parent.parent),
        kind=site.kind,
        version=site.version,
        server=site.server,
        cluster=site.name,
        state=str(state),
    )
    for name in COMMANDS[site.kind]:
        path = folder / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
