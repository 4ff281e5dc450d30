"""Which module prints which dialect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo

from demo import render_openpbs, render_slurm, render_torque
from demo.forms import Answer
from demo.simulation import Simulation

_ANSWERS: dict[str, Callable[[Simulation, list[str], tzinfo | None], Answer]] = {
    "openpbs": render_openpbs.answer,
    "torque": render_torque.answer,
    "slurm": render_slurm.answer,
}


def answer(simulation: Simulation, argv: list[str], zone: tzinfo | None = None) -> Answer:
    """What the cluster's command `argv` prints at the simulation's time, with times in `zone` (None: this machine's)."""
    return _ANSWERS[simulation.site.kind](simulation, argv, zone)
