"""Small reports for the collector's tests, and what the store says of a past moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import NullPool

from agent.report import Job, Node, Queue, Report, Scheduler
from agent.states import JobState, NodeState
from collector.schema import JOB_STATES, every_span, job, word
from collector.settings import Settings

T0 = 1_795_392_000
"""A full hour (and day): 2026-11-23 00:00 UTC."""


def a_job(number: int = 1, state: JobState = JobState.QUEUED, **fields: Any) -> Job:
    defaults: dict[str, Any] = {
        "id": f"{number}.pbs01",
        "state": state,
        "native_state": state.value[0].upper(),
        "name": f"job{number}",
        "user": "alice",
        "group": "physics",
        "queue": "batch",
        "cores": 4,
        "nodes": 1,
        "submitted_at": T0,
    }
    return Job(**{**defaults, **fields})


def a_report(taken_at: float, jobs: Sequence[Job] = (), **fields: Any) -> Report:
    defaults: dict[str, Any] = {
        "cluster": "c",
        "scheduler": Scheduler("openpbs", "23.06.06", "pbs01"),
        "taken_at": taken_at,
        "query_seconds": {"jobs": 0.2},
        "jobs": list(jobs),
        "arrays": [],
        "nodes": [Node("n1", NodeState.FREE, "free", cores=16, cores_used=0)],
        "queues": [Queue("batch", "execution", True, True)],
        "warnings": [],
        "agent_version": "0.1.0",
    }
    return Report(**{**defaults, **fields})


def settings_for(*names: str, **collector: Any) -> Settings:
    clusters = [{"name": name, "agent": "tcp://127.0.0.1:1"} for name in names]
    return Settings.model_validate({"cluster": clusters, "collector": collector})


def reading(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


def jobs_at(engine: Engine, moment: int) -> dict[str, JobState]:
    """Native id -> state of every job that lived at `moment`, from the spans."""
    with engine.connect() as connection:
        rows = connection.execute(
            every_span(
                lambda s: select(
                    job.c.number, select(word.c.text).where(word.c.id == job.c.server_id).scalar_subquery(), s.state
                ).where(s.since <= moment, s.until > moment)
            )
        ).all()
    assert len({number for number, _, _ in rows}) == len(rows), "a job in two states at once"
    return {f"{number}.{server}": JOB_STATES[state] for number, server, state in rows}


EVERY_SPAN = str(every_span(lambda s: select(*s.columns())).compile(compile_kwargs={"literal_binds": True}))
"""The rows of `job_span`, implied ones too, as SQL."""


def table_rows(engine: Engine, table: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = select(table).order_by(*table.primary_key)
        return [dict(row) for row in connection.execute(rows).mappings()]


def as_running(one: Job, started_at: int, **fields: Any) -> Job:
    return replace(one, state=JobState.RUNNING, native_state="R", started_at=started_at, hosts={"n1": 4}, **fields)
