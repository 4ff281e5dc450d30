"""Priorities and reasons from Maui or Moab, put into the waiting jobs of a report.

The scheduler that decides is then not the server: qstat's own Priority is what the user asked for, and
there is no comment. What `diagnose` prints is read by parsers/maui_text.py.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional, TypeVar

from agent.dialects import PRIORITIES, REASONS
from agent.errors import AgentError, CommandMissing
from agent.probe import Source, judge
from agent.report import Job, Report, Warning
from agent.states import IS_PENDING

Value = TypeVar("Value")


def with_diagnosis(report: Report, source: Source) -> Report:
    """The report with Maui's priorities and reasons in its waiting jobs; unchanged where Maui is not installed.

    A failing `diagnose` is a warning, as it says nothing against the report.
    """
    warnings = list(report.warnings)
    priorities: Dict[str, int] = _ask(source, PRIORITIES, warnings)
    reasons: Dict[str, str] = _ask(source, REASONS, warnings)
    jobs = report.jobs
    if priorities or reasons:
        jobs = [_diagnosed(job, priorities, reasons) if job.state in IS_PENDING else job for job in jobs]
    return replace(report, jobs=jobs, warnings=warnings)


def _ask(source: Source, query: str, warnings: List[Warning]) -> Dict[str, Any]:
    try:
        way, output, zone = source.fetch(query)
        judge(way, output)
        answer: Dict[str, Any] = way.parse(output.stdout, zone)
    except CommandMissing:
        return {}
    except AgentError as error:
        warnings.append(Warning(query, str(error)))
        return {}
    return answer


def _diagnosed(job: Job, priorities: Dict[str, int], reasons: Dict[str, str]) -> Job:
    priority, reason = _of_job(job, priorities), _of_job(job, reasons)
    return replace(
        job,
        priority=job.priority if priority is None else priority,
        comment=job.comment if reason is None else reason,
    )


def _of_job(job: Job, told: Dict[str, Value]) -> Optional[Value]:
    """What is told of a job: Maui leaves the server out of its id, and may know only the array."""
    short = job.id.split(".", 1)[0]
    for name in (job.id, short, job.array_id, (job.array_id or "").split(".", 1)[0], short.split("[", 1)[0]):
        if name and name in told:
            return told[name]
    return None
