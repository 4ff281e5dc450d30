"""The jobs of a simulated cluster as TORQUE 6.1's qstat prints them, as text and as XML.

Attributes are made once; the two forms differ in times (ctime and epoch), nesting and escapes. Nodes,
queues and server are render_torque.py's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from itertools import groupby
from xml.sax.saxutils import escape

from demo.forms import TORQUE_WIDTH, attribute_lines, ctime_text, duration_text, minute_text, table
from demo.jobs import Array, Job, Phase, Why
from demo.scheduler import bits
from demo.simulation import Simulation

Attributes = list[tuple[str, str | int]]
"""Times are numbers: each format prints them in its own way. `a.b` is b nested in a."""

_LETTERS = {
    Phase.QUEUED: "Q",
    Phase.HELD: "H",
    Phase.WAITING: "W",
    Phase.RUNNING: "R",
    Phase.EXITING: "E",
    Phase.ENDED: "C",
}
_SUBSTATES = {"Q": 10, "H": 20, "W": 30, "R": 42, "E": 50, "C": 59}


class JobListing:
    """The job listings of one moment."""

    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        self.simulation = simulation
        self.site = simulation.site
        self.now = simulation.now
        self.zone = zone
        self._first_waiting: dict[Array, int] = {}

    def jobs(self, subjobs: bool = True, wide: bool = True) -> str:
        """`qstat -f`; with subjobs as with -t, wide as with -1."""
        width = None if wide else TORQUE_WIDTH
        return "".join(
            f"Job Id: {name}\n{attribute_lines(self._as_text(attributes), width)}\n"
            for name, attributes in self._records(subjobs)
        )

    def jobs_xml(self, subjobs: bool = True) -> str:
        """`qstat -x`."""
        records = "".join(xml_record("Job", [("Job_Id", name), *rest]) for name, rest in self._records(subjobs))
        return f'<?xml version="1.0"?>\n<Data>{records}</Data>\n'

    def jobs_brief(self, subjobs: bool = False) -> str:
        """`qstat` without -f."""
        rows: list[tuple[object, ...]] = []
        for item in self.listed(subjobs):
            job = item.tasks[0] if isinstance(item, Array) else item
            name = self.array_id(item) if isinstance(item, Array) else self.job_id(item)
            used = duration_text(job.cpu_seconds(self.now)) if job.started is not None else "0"
            rows.append((name, self.job_name(job), job.user.name, used, self.letter(job), job.queue.name))
        if not rows:
            return ""
        return (
            "Job ID                    Name             User            Time Use S Queue\n"
            "------------------------- ---------------- --------------- -------- - -----\n"
            + table(rows, "{:<26} {:<16.16} {:<15.15} {:>8} {} {:<15.15}")
        )

    def listed(self, subjobs: bool) -> list[Job | Array]:
        """In order of submission; ended jobs stay for a while; arrays as tasks or as their template."""
        simulation, since = self.simulation, self.now - self.site.keep_completed
        jobs = [*simulation.jobs, *(job for job in simulation.ended if (job.released or 0) > since)]
        jobs.sort(key=lambda job: job.serial)
        if subjobs:
            return list(jobs)
        return list(dict.fromkeys(job.array or job for job in jobs))

    def _records(self, subjobs: bool) -> Iterable[tuple[str, Attributes]]:
        for item in self.listed(subjobs):
            if isinstance(item, Array):
                yield self.array_id(item), self._template(item)
            else:
                yield self.job_id(item), self._job(item)

    def job_id(self, job: Job) -> str:
        """`98117.vsp-compute.example`, `98117[4].vsp-compute.example`."""
        index = f"[{job.index}]" if job.array else ""
        return f"{job.number}{index}.{self.site.server}"

    def array_id(self, array: Array) -> str:
        """`98117[].vsp-compute.example`."""
        return f"{array.number}[].{self.site.server}"

    def job_name(self, job: Job) -> str:
        """A task's name ends with its number."""
        return f"{job.name}-{job.index}" if job.array else job.name

    def letter(self, job: Job) -> str:
        """The state's letter; a task beyond its array's slot limit is held."""
        return "H" if self.hold(job) and job.phase is Phase.QUEUED else _LETTERS[job.phase]

    def hold(self, job: Job) -> str:
        """Hold types; `l` for a task beyond its array's slot limit."""
        array = job.array
        if array is not None and array.slot_limit is not None and job.phase is Phase.QUEUED:
            first = self._first_waiting.get(array)
            if first is None:
                waiting = (task.index for task in array.tasks if task.started is None and task.ended is None)
                first = self._first_waiting[array] = next(waiting, 0)
            # Tasks start in their order, so those that wait stand next to each other.
            return "l" if job.index - first >= array.slot_limit - array.running else ""
        return job.hold

    def comment(self, job: Job) -> str | None:
        """The scheduler's words."""
        if job.started is not None:
            return f"Job started on {minute_text(job.started, self.zone)}"
        if job.phase is not Phase.QUEUED or self.hold(job):
            return None
        words = {
            Why.NOTHING: None,
            Why.QUEUE_STOPPED: "Not Running: Queue not started.",
            Why.USER_JOBS: "Not Running: User has reached queue running job limit.",
            Why.KEPT: "Not Running: Draining system to allow starving job to run",
        }
        usual = "Not Running: Not enough of the right type of nodes are available"
        return words.get(self.simulation.reason(job).why, usual)

    def depend(self, job: Job) -> str | None:
        """Both sides of a dependency, as the server keeps them."""
        parts = []
        if job.depends_on is not None and job.depends_on.ended is None:
            parts.append(f"afterok:{self.job_id(job.depends_on)}")
        parts += [f"beforeok:{self.job_id(other)}" for other in job.needed_by if other.ended is None]
        return ",".join(parts) or None

    def exec_host(self, job: Job) -> str:
        """`vsp01/0-3+vsp02/8-9,12-13`: the slots on each node."""
        return "+".join(f"{self.site.nodes[n].name}/{slots_text(cores)}" for n, cores in job.places)

    def _job(self, job: Job) -> Attributes:
        site, now, user, letter = self.site, self.now, job.user, self.letter(job)
        has_started = job.started is not None
        path = f"{site.login}:/home/{user.name}/{job.name}"
        task = f"-{job.index}" if job.array else ""
        out: Attributes = [("Job_Name", self.job_name(job)), ("Job_Owner", f"{user.name}@{site.login}")]
        if has_started:
            out += [("resources_used.cput", duration_text(job.cpu_seconds(now))), ("resources_used.energy_used", "0")]
            out += [("resources_used.mem", f"{job.used_kilobytes(now)}kb")]
            out += [("resources_used.vmem", f"{job.used_kilobytes(now) * 5 // 4}kb")]
            out.append(("resources_used.walltime", duration_text(job.used_seconds(now))))
        out += [("job_state", letter), ("queue", job.queue.name), ("server", site.server)]
        if job.project:
            out.append(("Account_Name", job.project))
        out += [("Checkpoint", "u"), ("ctime", job.submitted)]
        if depend := self.depend(job):
            out.append(("depend", depend))
        out.append(("Error_Path", f"{path}.e{job.number}{task}"))
        if has_started:
            out.append(("exec_host", self.exec_host(job)))
        if job.wanted_start is not None and job.phase is Phase.WAITING:
            out.append(("Execution_Time", job.wanted_start))
        if hold := self.hold(job):
            out.append(("Hold_Types", hold))
        elif not job.array:
            out.append(("Hold_Types", "n"))
        out += [("Join_Path", "n"), ("Keep_Files", "n"), ("Mail_Points", "a"), ("mtime", self._changed(job))]
        out += [("Output_Path", f"{path}.o{job.number}{task}"), ("Priority", "0"), ("qtime", job.submitted)]
        out += [("Rerunable", "True"), *self._resources(job)]
        if has_started:
            out.append(("session_id", str(2000 + job.serial * 37 % 30000)))
        out.append(("substate", "22" if job.hold == "s" else str(_SUBSTATES[letter])))
        out += [("Variable_List", self._environment(job)), ("euser", user.name), ("egroup", user.group)]
        if has_started:
            out.append(("hashname", f"{job.number}{task}.{site.server}"))
        out += [("queue_rank", str(job.serial)), ("queue_type", "E")]
        if comment := self.comment(job):
            out.append(("comment", comment))
        if job.eligible is not None:
            out.append(("etime", job.eligible))
        if job.ended is not None:
            out.append(("exit_status", str(job.exit_status)))
        out.append(("submit_args", self._submit_arguments(job)))
        if job.array:
            out.append(("job_array_id", str(job.index)))
        if job.started is not None:
            out.append(("start_time", job.started))
            if job.phase is Phase.RUNNING:
                out.append(("Walltime.Remaining", str(job.started + job.walltime - now)))
            out.append(("start_count", "1"))
        out.append(("fault_tolerant", "False"))
        if job.released is not None:
            out.append(("comp_time", job.released))
        out.append(("job_radix", "0"))
        if job.released is not None and has_started:
            out.append(("total_runtime", f"{job.used_seconds(now)}.{job.serial % 1000000:06d}"))
        out += [("submit_host", site.login), ("init_work_dir", f"/home/{user.name}"), ("request_version", "1")]
        return out

    def _template(self, array: Array) -> Attributes:
        """An array without -t: what was submitted; its state says little."""
        job = array.tasks[0]
        hidden = ("job_array_id", "exec_host", "start_time", "Walltime.Remaining", "start_count", "comp_time")
        out = [pair for pair in self._job(job) if pair[0] not in hidden and not pair[0].startswith("resources_used")]
        place = next(i for i, (name, _) in enumerate(out) if name == "submit_args")
        limit = f"%{array.slot_limit}" if array.slot_limit is not None else ""
        out.insert(place + 1, ("job_array_request", f"1-{len(array.tasks)}{limit}"))
        return [("Job_Name", job.name) if name == "Job_Name" else (name, value) for name, value in out]

    def _resources(self, job: Job) -> Attributes:
        nodes = f"{job.chunks}:ppn={job.cores}"
        return [
            ("Resource_List.nodes", nodes),
            ("Resource_List.walltime", duration_text(job.walltime)),
            ("Resource_List.mem", f"{job.all_memory}gb"),
            ("Resource_List.nodect", str(job.chunks)),
            ("Resource_List.neednodes", nodes),
        ]

    def _changed(self, job: Job) -> int:
        if job.ended is not None:
            return job.released or job.ended
        return job.started or job.eligible or job.submitted

    def _environment(self, job: Job) -> str:
        name = job.user.name
        task = f"PBS_ARRAYID={job.index}," if job.array else ""
        return (
            f"{task}PBS_O_QUEUE=route,PBS_O_HOME=/home/{name},PBS_O_LOGNAME={name},"
            "PBS_O_PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin,"
            f"PBS_O_MAIL=/var/spool/mail/{name},PBS_O_SHELL=/bin/bash,PBS_O_LANG=C.UTF-8,"
            f"PBS_O_WORKDIR=/home/{name},PBS_O_HOST={self.site.login},PBS_O_SERVER={self.site.server}"
        )

    def _submit_arguments(self, job: Job) -> str:
        limits = f"nodes={job.chunks}:ppn={job.cores},walltime={duration_text(job.walltime)},mem={job.all_memory}gb"
        words = [f"-l {limits}", f"-N {job.name}"]
        if job.array:
            limit = f"%{job.array.slot_limit}" if job.array.slot_limit is not None else ""
            words.append(f"-t 1-{len(job.array.tasks)}{limit}")
        if job.project:
            words.append(f"-A {job.project}")
        return " ".join([*words, "run.sh"])

    def _as_text(self, attributes: Attributes) -> list[tuple[str, str]]:
        return [(n, ctime_text(v, self.zone) if isinstance(v, int) else v) for n, v in attributes]


def slots_text(cores: int) -> str:
    """Core numbers as TORQUE 6.1 writes them: `0-3,8`."""
    parts = []
    numbers = enumerate(bits(cores))
    for _, run in groupby(numbers, key=lambda pair: pair[1] - pair[0]):
        group = [number for _, number in run]
        parts.append(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]))
    return ",".join(parts)


def xml_record(element: str, attributes: Attributes) -> str:
    """One record; attributes of one family stand together inside an element of its name."""
    inner = []
    for family, group in groupby(attributes, key=lambda pair: pair[0].partition(".")[0]):
        members = list(group)
        if "." in members[0][0]:
            body = "".join(_element(name.partition(".")[2], value) for name, value in members)
            inner.append(f"<{family}>{body}</{family}>")
        else:
            inner += [_element(name, value) for name, value in members]
    return f"<{element}>{''.join(inner)}</{element}>"


def _element(name: str, value: str | int) -> str:
    return f"<{name}>{escape(str(value), {chr(34): '&quot;', chr(39): '&apos;'})}</{name}>"
