"""The line by which a job is submitted, in the words of each scheduler. Pure."""

from __future__ import annotations

import math
import shlex

from webstat.answers.fit import Shape
from webstat.answers.request import memory_word
from webstat.format import HOUR, MINUTE

SCRIPT = "job.sh"
"""What stands for the job's own script."""

_MIB = 1024**2


def command(kind: str | None) -> str:
    """The program that submits."""
    return "sbatch" if kind == "slurm" else "qsub"


def line(kind: str | None, queue: str, shape: Shape, walltime_seconds: int | None) -> str:
    """What to type; a queue's name is a stranger's text, and quoted."""
    write = {"slurm": _slurm, "torque": _torque}.get(kind or "", _openpbs)
    return f"{write(shlex.quote(queue), shape, _clock(walltime_seconds))} {SCRIPT}"


def _clock(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds // HOUR:02d}:{seconds % HOUR // MINUTE:02d}:{seconds % MINUTE:02d}"


def _size(size: float) -> str:
    """Whole megabytes at least, rounded up to what the parts need together."""
    return memory_word(math.ceil(size / _MIB) * _MIB)


def _openpbs(queue: str, shape: Shape, clock: str) -> str:
    chunk = f"select={shape.parts}:ncpus={shape.cores}"
    chunk += f":ngpus={shape.gpus}" if shape.gpus else ""
    chunk += f":mem={_size(shape.memory_bytes)}" if shape.memory_bytes else ""
    place = " -l place=scatter" if shape.apart and shape.parts > 1 else ""
    return f"qsub -q {queue} -l {chunk}{place}" + (f" -l walltime={clock}" if clock else "")


def _torque(queue: str, shape: Shape, clock: str) -> str:
    asked = f"nodes={shape.parts}:ppn={shape.cores}" + (f":gpus={shape.gpus}" if shape.gpus else "")
    asked += f",mem={_size(shape.memory_bytes * shape.parts)}" if shape.memory_bytes else ""
    return f"qsub -q {queue} -l {asked}" + (f",walltime={clock}" if clock else "")


def _slurm(queue: str, shape: Shape, clock: str) -> str:
    words = f"sbatch -p {queue}"
    if shape.apart:
        words += f" -N {shape.parts} --ntasks-per-node={shape.cores}"
        words += f" --gres=gpu:{shape.gpus}" if shape.gpus else ""
        words += f" --mem={math.ceil(shape.memory_bytes / _MIB)}M" if shape.memory_bytes else ""
    else:
        words += f" -n {shape.parts}"
        words += f" --mem-per-cpu={math.ceil(shape.memory_bytes / _MIB)}M" if shape.memory_bytes else ""
    return words + (f" -t {clock}" if clock else "")
