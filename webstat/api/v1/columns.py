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
    """The kind of a column's values, what they are, and their unit; of a text, a flag and a time none."""

    kind: Kind
    words: str
    unit: str | None = None

    @property
    def said(self) -> str:
        """The words with the unit."""
        return f"{self.words} ({self.unit})" if self.unit else self.words


def _columns(kind: Kind, unit: str | None = None, **words: str) -> dict[str, Column]:
    return {name: Column(kind, said, unit) for name, said in words.items()}


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
        room_until="until when room is free for it: where it starts now, else for a job that is short enough",
        taken_at="when the report was taken that the row is from",
    ),
    **_columns(
        "text",
        key="what it is divided by, as it stands in addresses",
        name="what people call it; of a job, its name",
        cluster="cluster, as it stands in addresses",
        title="cluster, as people call it",
        scheduler="scheduler and its version",
        says="what is the matter with the cluster; nothing where it is live",
        partial="what of the report is incomplete: jobs, nodes, queues, divided by commas",
        cluster_state="how well the cluster is known: live, partial, late, new, refused or silent",
        weekday="day of the week by the zone of the question",
        size="job size class, by cores",
        id="the job's id, as the scheduler writes it",
        user="user",
        group="group; nothing where none is told",
        account="account; nothing where none is told",
        project="project; nothing where none is told",
        queue="queue; of a job the last one",
        state="state, by words that all schedulers share; of jobs of the past how they ended",
        native_state="state in the scheduler's own words",
        reason="why it waits, as a word",
        why="why it waits, or what else there is to know; after “Derived: ” webstat’s own reading, where the scheduler says nothing",
        expects="what expected_at is the time of: starts, ends or ended",
        array_id="the array that a task is of",
        comment="the scheduler's or an operator's words",
        depends_on="what the job waits for",
        hold="what holds it",
        properties="the node's properties, divided by commas",
        type="execution or routing",
        asked="when past jobs were asked about: first, as they came, or waiting, after an hour",
        limits="what limits the queue, in words; what is not understood in the scheduler's own",
        place="cluster, queue or property: what the room is of",
        verdict="now, later or impossible: whether a job that is submitted now starts there",
        because="why, with the number of the limit that forbids it",
        not_foretold="why no times are expected",
        submit="the line that submits it there",
    ),
    **_columns("whole", "hours", hour="hour of the day by the zone of the question, 0 to 23"),
    **_columns(
        "whole",
        "cores",
        cores="cores; of a job those asked for or held",
        cores_used="cores that are taken",
        cores_free="cores that a job could have now: idle ones of nodes that take work",
        cores_in_use="cores of jobs that run",
        cores_installed="cores of all nodes",
        cores_usable="cores_installed less the idle ones of nodes out of service",
        cores_offline="idle cores of nodes that are offline, down or unknown",
        cores_reserved="idle cores of reserved nodes",
        cores_running="cores of the queue's jobs that run",
        cores_queued="cores of the jobs that wait",
        cores_certain="cores free from then on at least, if jobs end by their walltimes and none starts",
        cores_likely="the same in nine of ten cases, as similar jobs ended",
        cores_expected="the same on the average",
        block_cores="most free cores on one node",
        gpu_block_cores="free cores beside gpu_block_gpus",
    ),
    **_columns(
        "whole",
        "GPUs",
        gpus="GPUs",
        gpus_used="GPUs that are taken",
        gpus_free="GPUs that are free",
        gpus_installed="GPUs of all nodes",
        gpus_certain="GPUs free from then on at least, if jobs end by their walltimes and none starts",
        gpus_expected="the same on the average, as similar jobs ended",
        gpu_block_gpus="most free GPUs on one node",
    ),
    **_columns(
        "whole",
        "nodes",
        nodes="nodes; of a job those asked for or held",
        nodes_out="nodes that are offline, down or unknown",
        nodes_whole="nodes that take work and have no core taken",
        nodes_certain="whole nodes free from then on at least, if jobs end by their walltimes and none starts",
        nodes_expected="the same on the average, as similar jobs ended",
        nodes_with_room="nodes with free cores",
    ),
    **_columns(
        "whole",
        "bytes",
        memory_bytes="memory; of a job what is asked for, of free room the most on one node",
        memory_used_bytes="memory used",
    ),
    **_columns(
        "whole",
        "seconds",
        walltime_seconds="walltime asked for",
        walltime_used_seconds="walltime used",
        cpu_used_seconds="processor time used, of all cores together",
        max_walltime_seconds="longest walltime that the queue takes",
        offline_seconds="how long it was offline in the range",
        down_seconds="how long it was down, or nothing was known of it, in the range",
        period_seconds="how often the cluster is asked",
    ),
    **_columns(
        "whole",
        "jobs",
        jobs_running="jobs that run",
        jobs_queued="jobs that wait",
        jobs_held="jobs that are held",
        jobs_suspended="jobs that are suspended",
        jobs="jobs that the waits, or the shares, rest on",
        waiting="jobs that wait there",
        similar="similar jobs that the expected times rest on",
    ),
    **_columns("whole", "days", similar_days="over which these were submitted"),
    **_columns(
        "whole",
        report="number of the report that the row is from; another one says that all else may have changed",
        exit_status="exit status, as the scheduler writes it",
        priority="priority, as the scheduler writes it",
        times="how often it went out of service in the range",
        users="users with jobs that run",
    ),
    **_columns(
        "number",
        value="the metric, in the unit of meta.unit",
        before="the metric in the period before",
        slowdown_50="(wait + run) ÷ run of half of the jobs that ended; runs under 10 min count as 10 min",
        slowdown_75="the same of 75 %",
        slowdown_90="the same of 90 %",
        slowdown_95="the same of 95 %",
        load="the node's load",
    ),
    **_columns(
        "number",
        "share, 0 to 1",
        known="how much of the bucket is known, over the clusters",
        held_50="of these jobs, those that started by the 50 % time told; none where under 50 were asked about",
        held_90="the same of the 90 % time",
        similar_held="how many past answers of this kind held, by their 90 % time; none where under 50 were asked about",
        share="share of all",
        cpu_efficiency="processor time of the jobs that ended ÷ (cores × run), of those that tell it",
        utilisation="core-hours used ÷ usable core-hours; of now, cores in use ÷ usable cores",
    ),
    **_columns(
        "number",
        "core-hours",
        usable_core_hours="cores × hours of nodes in service",
        idle_core_hours="cores × hours run of the jobs that ended less their processor time, of those that tell it",
        core_hours="cores × hours run within the range; of a filter by queue, in those queues",
    ),
    **_columns(
        "number",
        "jobs",
        submitted="jobs submitted in the range",
        started="jobs started in the range; of a queue, in the seven days before",
        ended="jobs ended in the range",
        exited="of these, jobs that told an exit status",
        failed="of these, jobs with an exit status other than 0",
    ),
    **_columns(
        "number",
        "nodes",
        up="nodes in service, mean",
        offline="nodes offline, mean",
        down="nodes down or unknown, mean",
    ),
    **_columns(
        "number",
        "cores",
        cores_mean="cores in use, mean over the step as far as it is known",
        usable_mean="cores of nodes in service, mean over the step",
    ),
    **_columns(
        "number",
        "seconds",
        wait_50="within which 50 % of the jobs that started did so, from when each could have",
        wait_75="the same of 75 %",
        wait_90="the same of 90 %",
        wait_95="the same of 95 %",
        expected_50="within which half of such jobs start from now on",
        expected_90="the same of 90 %",
        wait_seconds="from when the job could have started to its start",
        run_seconds="from its start to its end, or to the newest report",
        waited_seconds="how long it waits, or waited",
        ran_seconds="how long it runs, or ran",
        age_seconds="how old that report is",
    ),
    **_columns(
        "flag",
        ended_estimated="whether the end is only known to lie between two reports",
        demo="whether the cluster is simulated",
        enabled="whether the queue takes new jobs",
        starts="whether the queue starts jobs",
        any_node="whether its jobs may run on any node of the cluster",
        routing="whether the queue only passes jobs on",
        usable="whether a job that is submitted now may start there",
        foretold="whether it is foretold when jobs start; no where forecasts do not hold",
        recalibrated="whether the 90 % time is made from another quantile, since the usual one did not hold",
    ),
}
"""Every column by its name."""

AGE = ("cluster_state", "taken_at", "age_seconds")
"""How well the cluster of a row is known, and how old the row is: they end every row of what is now."""

COUNTED_FROM_NOW = frozenset({"age_seconds"})
"""Columns that are others at each question, while all else rests on reports."""

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
