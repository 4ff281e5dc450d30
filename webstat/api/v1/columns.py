"""What every column of an answer means, and what kind of value it has. Pure.

A column means the same in every table that has it. Unknown is None, never 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["time", "text", "whole", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """The kind of a column's values, and what they are."""

    kind: Kind
    words: str


def _columns(kind: Kind, **words: str) -> dict[str, Column]:
    return {name: Column(kind, said) for name, said in words.items()}


COLUMNS: Mapping[str, Column] = {
    **_columns(
        "time",
        at="first second of the bucket",
        until="where it ends: the first second that is no longer in it",
        submitted_at="when the job was submitted; first seen, where the scheduler does not say",
        eligible_at="from when on it could have started",
        started_at="when it started",
        ended_at="when it ended",
        expected_at="when it is expected to start or end, or when it ended",
        taken_at="when the newest report was taken",
    ),
    **_columns(
        "text",
        key="what it is divided by, as it stands in addresses",
        name="what people call it; of a job, its name",
        cluster="cluster, as it stands in addresses",
        title="cluster, as people call it",
        scheduler="scheduler and its version",
        weekday="day of the week by the zone of the question",
        size="job size class",
        walltime="walltime class",
        id="the job's id, as the scheduler writes it",
        user="user",
        group="group; nothing where none is told",
        account="account; nothing where none is told",
        project="project; nothing where none is told",
        queue="queue; of a job the last one",
        state="state; of jobs of the past how they ended",
        native_state="state in the scheduler's own words",
        reason="why it waits, as a word",
        why="why it waits, or what else there is to know",
        expects="what expected_at is the time of: starts, ends or ended",
        array_id="the array that a task is of",
        comment="the scheduler's or an operator's words",
        depends_on="what the job waits for",
        hold="what holds it",
        properties="the node's properties, divided by commas",
        type="execution or routing",
        place="cluster, queue or property: what the room is of",
    ),
    **_columns(
        "whole",
        hour="hour of the day by the zone of the question, 0 to 23",
        cores="cores; of a job those asked for or held",
        cores_used="cores that are taken",
        cores_free="cores that are free",
        cores_in_use="cores of jobs that run",
        cores_installed="cores of all nodes",
        gpus="GPUs",
        gpus_used="GPUs that are taken",
        gpus_free="GPUs that are free",
        gpus_installed="GPUs of all nodes",
        nodes="nodes; of a job those asked for or held",
        nodes_with_room="nodes with free cores",
        block_cores="most free cores on one node",
        gpu_block_gpus="most free GPUs on one node",
        gpu_block_cores="free cores beside them",
        memory_bytes="memory; of a job what is asked for, of free room the most on one node",
        memory_used_bytes="memory used",
        walltime_seconds="walltime asked for",
        walltime_used_seconds="walltime used",
        cpu_used_seconds="processor time used, of all cores together",
        max_walltime_seconds="longest walltime that the queue takes",
        exit_status="exit status, as the scheduler writes it",
        jobs_running="jobs that run",
        jobs_queued="jobs that wait",
        jobs_held="jobs that are held",
        jobs_suspended="jobs that are suspended",
        cores_running="cores of the queue's jobs that run",
        cores_queued="cores of the queue's jobs that wait",
        jobs="jobs that the waits rest on",
        waiting="jobs that wait there",
        priority="priority, as the scheduler writes it",
        times="how often it went out of service in the range",
        offline_seconds="seconds it was offline in the range",
        down_seconds="seconds it was down, or nothing was known of it, in the range",
    ),
    **_columns(
        "number",
        value="the metric, in the unit of meta.unit",
        before="the metric in the period before",
        known="how much of the bucket is known, 0 to 1, over the clusters",
        usable_core_hours="core-hours of nodes in service",
        wait_50="seconds within which 50 % of the jobs that started did so, from when each could have",
        wait_75="the same of 75 %",
        wait_90="the same of 90 %",
        wait_95="the same of 95 %",
        slowdown_50="(wait + run) ÷ run of half of the jobs that ended; runs under 10 min count as 10 min",
        slowdown_75="the same of 75 %",
        slowdown_90="the same of 90 %",
        slowdown_95="the same of 95 %",
        share="share of all, 0 to 1",
        core_hours="cores × hours run within the range; of a filter by queue, in those queues",
        submitted="jobs submitted in the range",
        started="jobs started in the range",
        ended="jobs ended in the range",
        exited="of these, jobs that told an exit status",
        failed="of these, jobs with an exit status other than 0",
        cpu_efficiency="processor time of the jobs that ended ÷ (cores × run), of those that tell it",
        utilisation="core-hours used ÷ usable core-hours",
        up="nodes in service, mean",
        offline="nodes offline, mean",
        down="nodes down or unknown, mean",
        wait_seconds="from when the job could have started to its start",
        run_seconds="from its start to its end, or to the newest report",
        waited_seconds="how long it waits, or waited",
        ran_seconds="how long it runs, or ran",
        age_seconds="how old the newest report is",
        load="the node's load",
    ),
    **_columns(
        "flag",
        ended_estimated="whether the end is only known to lie between two reports",
        demo="whether the cluster is simulated",
        any_node="whether its jobs may run on any node of the cluster",
        routing="whether the queue only passes jobs on",
    ),
}
"""Every column by its name."""

Cells = list[Any]


def cells(name: str, values: Iterable[Any]) -> Cells:
    """A column's values as str, int (times in unix seconds), float, bool, or None where not known."""
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    make: Callable[[Any], Any] = _MAKE[COLUMNS[name].kind]
    # An empty text tells nothing; NaN, the only value that is not itself, neither.
    return [None if value is None or value == "" or value != value else make(value) for value in listed]


_MAKE: dict[Kind, Callable[[Any], Any]] = {
    "time": lambda value: int(value),
    "text": str,
    "whole": lambda value: round(value),
    "number": float,
    "flag": bool,
}
