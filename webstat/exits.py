"""How a job ended, in words, from its exit status. Pure.

Statuses above 256 are a signal that ended the job, as PBS has it; above 128 a signal that ended what its script
ran, as shells have it. Negative ones are the scheduler's own, by scheduler.
"""

from __future__ import annotations

_SIGNALS = {
    1: "hung up",
    2: "interrupted",
    3: "quit",
    4: "crashed: illegal instruction",
    6: "aborted by itself",
    7: "crashed: bus error",
    8: "crashed: arithmetic error",
    9: "killed, usually out of memory",
    10: "ended by a user signal",
    11: "crashed: segmentation fault",
    12: "ended by a user signal",
    13: "ended: it wrote to who no longer read",
    15: "told to end, by qdel or a limit",
    24: "over its CPU time",
    25: "over its largest file size",
}

_SHELL = {126: "its command may not be run", 127: "its command was not found"}

_OPENPBS = {
    -1: "it could not be started",
    -2: "it could not be started",
    -3: "it could not be started; tried again",
    -4: "ended when its node's daemon restarted",
    -7: "its restart failed",
    -11: "to be run again",
    -20: "to be run again: its first node failed",
    -24: "over its cores",
    -25: "over its cores",
    -26: "over its virtual memory",
    -27: "over its memory",
    -28: "over its CPU time",
    -29: "over its walltime",
}
_TORQUE = {
    **{status: _OPENPBS[status] for status in (-1, -2, -3, -4, -7)},
    -8: "its command could not be run",
    -9: "its output file could not be opened",
    -10: "over its memory",
    -11: "over its walltime",
    -12: "over its CPU time",
}
_OWN = {"openpbs": _OPENPBS, "torque": _TORQUE}


def exit_words(status: int | None, scheduler: str | None) -> str:
    """`exit 0: without error`, `exit 137: killed, usually out of memory`; `scheduler` is openpbs, torque or slurm."""
    if status is None:
        return "the scheduler does not say how"
    if status == 0:
        return "exit 0: without error"
    if status < 0:
        words = _OWN.get(scheduler or "", {}).get(status, "the scheduler ended it, or could not start it")
    elif status > 128:
        signal = status - (256 if status >= 256 else 128)
        words = _SIGNALS.get(signal, f"ended by signal {signal}" if 0 < signal < 65 else "with an error")
        if status < 256 and signal not in _SIGNALS:
            words = "with an error"  # 254 is an ordinary number that a program chose
        if status >= 256 and signal == 9:
            words = "killed"  # by the scheduler: by qdel, a limit, or for want of memory
    else:
        words = _SHELL.get(status, "with an error")
    return f"exit {status}: {words}"
