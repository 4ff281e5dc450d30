"""The accounting log of a simulated OpenPBS: a file a day, with the records of jobs that end and of deletions.

It is written when somebody asks, as nothing runs in between. Submissions and starts are left out.
"""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile
from pathlib import Path

from demo.forms import duration_text
from demo.jobs import Job
from demo.openpbs_jobs import Attributes, JobListing
from demo.simulation import Simulation


class AccountingLog:
    """The log in `folder`, begun anew with the ends that the simulation remembers; times are in this machine's zone."""

    def __init__(self, folder: Path, simulation: Simulation) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        (folder / f"{datetime.fromtimestamp(simulation.now):%Y%m%d}").touch()  # a server opens it when it starts
        self._folder = folder
        self._simulation = simulation
        self._last: Job | None = None

    def write(self) -> None:
        """Append what has ended since this was last called."""
        listing = JobListing(self._simulation, None)
        new = list(takewhile(lambda job: job is not self._last, reversed(self._simulation.ended)))
        days: dict[str, list[str]] = {}
        for job in reversed(new):
            moment = datetime.fromtimestamp(job.released or 0)
            days.setdefault(f"{moment:%Y%m%d}", []).append(f"{moment:%m/%d/%Y %H:%M:%S};{record(listing, job)}\n")
            self._last = job
        for day, lines in days.items():
            with (self._folder / day).open("a", encoding="utf-8") as file:
                file.writelines(lines)


def record(listing: JobListing, job: Job) -> str:
    """What is written of a job that has ended, without the time: `E;461203.certainty;user=... ` or a deletion."""
    name = listing.job_id(job)
    if job.started is None:
        return f"D;{name};requestor={job.user.name}@{listing.site.login}"
    told: Attributes = [("user", job.user.name), ("group", job.user.group)]
    if job.project:
        told.append(("account", f'"{job.project}"'))
    told += [("project", "_pbs_project_default"), ("jobname", job.name), ("queue", job.queue.name)]
    told += [("ctime", str(job.submitted)), ("qtime", str(job.submitted)), ("etime", str(job.eligible))]
    told += [("start", str(job.started))]
    told += [("exec_host", listing.exec_host(job)), ("exec_vnode", listing.exec_vnode(job))]
    told += [pair for pair in listing.resources(job) if pair[0] != "schedselect"]
    told += [("end", str(job.released)), ("Exit_status", str(job.exit_status))]
    told += [
        ("resources_used.cput", duration_text(job.cpu_seconds(listing.now))),
        ("resources_used.mem", f"{job.used_kilobytes(listing.now)}kb"),
        ("resources_used.ncpus", str(job.all_cores)),
        ("resources_used.walltime", duration_text(job.used_seconds(listing.now))),
        ("run_count", "1"),
    ]
    return f"E;{name};{' '.join(f'{key}={value}' for key, value in told)}"
