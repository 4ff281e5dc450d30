"""The jobs of a simulated cluster as OpenPBS 23.06's qstat prints them; the rest is render_openpbs.py's."""

from __future__ import annotations

from collections import Counter
from datetime import tzinfo

from demo.forms import OPENPBS_WIDTH, attribute_lines, ctime_text, duration_text, minute_text, table
from demo.jobs import Array, Job, Phase, Why
from demo.scheduler import bits
from demo.simulation import Simulation

Attributes = list[tuple[str, str]]

LETTERS = {
    Phase.QUEUED: "Q",
    Phase.HELD: "H",
    Phase.WAITING: "W",
    Phase.RUNNING: "R",
    Phase.EXITING: "E",
    Phase.ENDED: "F",
}
_SUBSTATES = {"Q": 10, "H": 20, "W": 30, "R": 42, "E": 51, "F": 92, "X": 91}


class JobListing:
    """The job listings of one moment."""

    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        self.simulation = simulation
        self.site = simulation.site
        self.now = simulation.now
        self.zone = zone

    def jobs(self, subjobs: bool = True, history: bool = False, wide: bool = True) -> str:
        """`qstat -f`; with subjobs as with -t, with history as with -x, wide as with -w."""
        width = None if wide else OPENPBS_WIDTH
        out = []
        for item in self.listed(subjobs, history):
            if isinstance(item, Array):
                out.append(f"Job Id: {self.array_id(item)}\n{attribute_lines(self._parent(item), width)}\n")
            else:
                out.append(f"Job Id: {self.job_id(item)}\n{attribute_lines(self._job(item), width)}\n")
        return "".join(out)

    def jobs_brief(self, subjobs: bool = False, history: bool = False) -> str:
        """`qstat` without -f."""
        if not (items := self.listed(subjobs, history)):
            return ""
        rows: list[tuple[object, ...]] = []
        for item in items:
            if isinstance(item, Array):
                first = item.tasks[0]
                rows.append(
                    (self.array_id(item), first.name, first.user.name, "0", self.array_letter(item), first.queue.name)
                )
            else:
                used = duration_text(item.cpu_seconds(self.now)) if item.started else "0"
                rows.append((self.job_id(item), item.name, item.user.name, used, self.letter(item), item.queue.name))
        return (
            "Job id            Name             User              Time Use S Queue\n"
            "----------------  ---------------- ----------------  -------- - -----\n"
            + table(rows, "{:<17.17} {:<16.16} {:<17.17} {:>8} {} {:<16.16}")
        )

    def listed(self, subjobs: bool, history: bool) -> list[Job | Array]:
        """Parents stand before their subjobs; ended subjobs stay while their array lives."""
        simulation = self.simulation
        items: list[Job | Array] = []
        live = [job for job in simulation.jobs if job.array is None]
        everything: list[tuple[int, Job | Array]] = [(job.number, job) for job in live]
        everything += [(array.number, array) for array in simulation.arrays.values()]
        if history:
            everything += [(job.number, job) for job in simulation.ended if job.array is None or not job.array.left]
        for _, item in sorted(everything, key=lambda pair: pair[0]):
            items.append(item)
            if isinstance(item, Array) and subjobs:
                items += item.tasks
        return items

    def job_id(self, job: Job) -> str:
        """`461203.certainty`, `461203[4].certainty`."""
        index = f"[{job.index}]" if job.array else ""
        return f"{job.number}{index}.{self.site.server}"

    def array_id(self, array: Array) -> str:
        """`461203[].certainty`."""
        return f"{array.number}[].{self.site.server}"

    def letter(self, job: Job) -> str:
        """The state's letter; X is a subjob that has ended while its array lives."""
        if job.phase is Phase.ENDED and job.array and job.array.left:
            return "X"
        return LETTERS[job.phase]

    def array_letter(self, array: Array) -> str:
        """B once a subjob has started."""
        return "Q" if array.begun is None else "B"

    def comment(self, job: Job) -> str | None:
        """The scheduler's words, as `qstat -f` has them."""
        if job.started is not None:
            where = self.exec_vnode(job)
            text = f"Job run at {minute_text(job.started, self.zone)} on {where}"
            if job.phase is Phase.ENDED:
                text += " and failed" if job.exit_status else " and finished"
            return text if len(text) <= 250 else text[:247] + "..."
        if job.phase is Phase.ENDED:
            return "Job deleted: no longer needed"
        if job.phase is Phase.HELD:
            held = {"o": f"Job held by root on {ctime_text(job.submitted, self.zone)}"}
            return held.get(job.hold)
        if job.phase is Phase.WAITING:
            return None
        if job.array and job.array.begun is not None:
            return f"Job Array Began at {minute_text(job.array.begun, self.zone)}"
        return self._why(job)

    def _why(self, job: Job) -> str | None:
        reason = self.simulation.reason(job)
        queue = job.queue.name
        amounts = f"(R: {reason.asked} A: {reason.available} T: {reason.total})"
        gigabytes = f"(R: {reason.asked}gb A: {reason.available}gb T: {reason.total}gb)"
        words = {
            Why.NOTHING: None,
            Why.QUEUE_STOPPED: "Not Running: Queue not started.",
            Why.NEVER: "Can Never Run: Not enough total nodes available",
            Why.USER_JOBS: f"Not Running: User has reached queue {queue} running job limit.",
            Why.USER_CORES: f"Not Running: Queue {queue} per-user limit reached on resource ncpus",
            Why.USER_GPUS: f"Not Running: Queue {queue} per-user limit reached on resource ngpus",
            Why.ALL_CORES: f"Not Running: would exceed overall limit on resource ncpus in queue {queue}",
            Why.ARRAY_SLOTS: "Not Running: Number of concurrent running subjobs limit reached",
            Why.KEPT: "Not Running: Job would conflict with reservation or top job",
            Why.CORES: f"Not Running: Insufficient amount of resource: ncpus {amounts}",
            Why.GPUS: f"Not Running: Insufficient amount of resource: ngpus {amounts}",
            Why.MEMORY: f"Not Running: Insufficient amount of resource: mem {gigabytes}",
            Why.NODES: "Not Running: Not enough free nodes available",
        }
        return words[reason.why]

    def depend(self, job: Job) -> str | None:
        """Both sides of a dependency, as the server keeps them."""
        server = self.site.server
        parts = []
        if job.depends_on is not None and job.depends_on.ended is None:
            parts.append(f"afterok:{self.job_id(job.depends_on)}@{server}")
        parts += [f"beforeok:{self.job_id(other)}@{server}" for other in job.needed_by if other.ended is None]
        return ",".join(parts) or None

    def _job(self, job: Job) -> Attributes:
        site, now, user = self.site, self.now, job.user
        letter = self.letter(job)
        waiting_task = job.array is not None and job.started is None
        has_started = job.started is not None
        index = f".{'^array_index^' if waiting_task else job.index}" if job.array else ""
        out: Attributes = [("Job_Name", job.name), ("Job_Owner", f"{user.name}@{site.login}")]
        if job.started is not None:
            out += [
                ("resources_used.cpupercent", str(int(100 * job.all_cores * job.efficiency))),
                ("resources_used.cput", duration_text(job.cpu_seconds(now))),
                ("resources_used.mem", f"{job.used_kilobytes(now)}kb"),
                ("resources_used.ncpus", str(job.all_cores)),
                ("resources_used.vmem", f"{job.used_kilobytes(now) * 5 // 4}kb"),
                ("resources_used.walltime", duration_text(job.used_seconds(now))),
            ]
        out += [("job_state", letter), ("queue", job.queue.name), ("server", site.server)]
        if job.project:
            out.append(("Account_Name", job.project))
        if not (job.array and has_started):
            out.append(("Checkpoint", "u"))
        out.append(("ctime", self._time(job.submitted)))
        if depend := self.depend(job):
            out.append(("depend", depend))
        home = f"{site.login}:/home/{user.name}/{job.name}"
        out.append(("Error_Path", f"{home}.e{job.number}{index}"))
        if has_started:
            out += [("exec_host", self.exec_host(job)), ("exec_vnode", self.exec_vnode(job))]
        if job.wanted_start is not None and job.phase is Phase.WAITING:
            out.append(("Execution_Time", self._time(job.wanted_start)))
        if not (job.array and has_started):
            out.append(("Hold_Types", job.hold or "n"))
        out += [("Join_Path", "n"), ("Keep_Files", "n"), ("Mail_Points", "a")]
        out += [("mtime", self._time(self._changed(job))), ("Output_Path", f"{home}.o{job.number}{index}")]
        out += [("Priority", "0"), ("qtime", self._time(job.submitted)), ("Rerunable", "True")]
        out += self.resources(job)
        if job.started is not None:
            out.append(("stime", self._time(job.started)))
        if job.released is not None and has_started:
            out.append(("obittime", self._time(job.released)))
        if has_started:
            out += [("session_id", str(2000 + job.serial * 37 % 30000)), ("jobdir", f"/home/{user.name}")]
        substate = 22 if job.hold == "s" else _SUBSTATES[letter]
        out += [("substate", str(substate)), ("Variable_List", self._environment(job))]
        out += [("euser", user.name), ("egroup", user.group)]
        if has_started:
            out.append(("hashname", self.job_id(job)))
        out += [("queue_rank", str(job.submitted * 1000000 + job.serial % 1000000)), ("queue_type", "E")]
        if comment := self.comment(job):
            out.append(("comment", comment))
        if job.eligible is not None:
            out.append(("etime", self._time(job.eligible)))
        if has_started:
            out.append(("run_count", "1"))
        eligible_until = job.started or job.ended or now
        eligible_seconds = eligible_until - job.eligible if job.eligible is not None else 0
        out.append(("eligible_time", duration_text(eligible_seconds)))
        out.append(("accrue_type", {"R": "3", "E": "4", "Q": "2"}.get(letter, "4" if job.ended else "1")))
        if job.ended is not None and has_started:
            out += [("Stageout_status", "1")] if letter in "FX" else []
            out.append(("Exit_status", str(job.exit_status)))
        if not (job.array and has_started):
            out.append(("Submit_arguments", self._submit_arguments(job)))
        if waiting_task:
            return out  # the server prints the parent's attributes up to here
        if job.array:
            out += [("array_id", self.array_id(job.array)), ("array_index", str(job.index))]
        due = self.simulation.due(job)
        if due is not None and job.phase is Phase.QUEUED:
            out.append(("estimated.start_time", self._time(due)))
        if job.released is not None:
            out.append(("history_timestamp", str(job.released)))
        out.append(("project", "_pbs_project_default"))
        if has_started:
            out.append(("run_version", "1"))
        out.append(("Submit_Host", site.login))
        return out

    def _parent(self, array: Array) -> Attributes:
        job = array.tasks[0]
        site, user, count = self.site, job.user, len(array.tasks)
        phases = Counter(task.phase for task in array.tasks)
        left = [task.index for task in array.tasks if task.started is None and task.ended is None]
        home = f"{site.login}:/home/{user.name}/{job.name}"
        out: Attributes = [("Job_Name", job.name), ("Job_Owner", f"{user.name}@{site.login}")]
        out += [("job_state", self.array_letter(array)), ("queue", job.queue.name), ("server", site.server)]
        if job.project:
            out.append(("Account_Name", job.project))
        out += [("Checkpoint", "u"), ("ctime", self._time(job.submitted))]
        out += [("Error_Path", f"{home}.e{array.number}.^array_index^"), ("Hold_Types", "n"), ("Join_Path", "n")]
        changed = array.begun if array.begun is not None else self.simulation.pools[job.pool].last_round
        out += [("Keep_Files", "n"), ("Mail_Points", "a"), ("mtime", self._time(max(changed, job.submitted)))]
        out += [("Output_Path", f"{home}.o{array.number}.^array_index^"), ("Priority", "0")]
        out += [("qtime", self._time(job.submitted)), ("Rerunable", "True")]
        out += self.resources(job)
        if array.begun is not None:
            out.append(("stime", self._time(array.begun)))
        out += [("substate", "70" if array.begun is not None else "10"), ("Variable_List", self._environment(job))]
        out += [("euser", user.name), ("egroup", user.group)]
        out += [("queue_rank", str(job.submitted * 1000000 + job.serial % 1000000)), ("queue_type", "E")]
        if array.begun is not None:
            out.append(("comment", f"Job Array Began at {minute_text(array.begun, self.zone)}"))
        elif comment := self._why(job):
            out.append(("comment", comment))
        out += [("etime", self._time(job.submitted)), ("eligible_time", duration_text(self.now - job.submitted))]
        out += [("accrue_type", "2"), ("Submit_arguments", self._submit_arguments(job)), ("array", "True")]
        counts = f"Queued:{phases[Phase.QUEUED]} Running:{phases[Phase.RUNNING]} "
        counts += f"Exiting:{phases[Phase.EXITING]} Expired:{phases[Phase.ENDED]}"
        out += [("array_state_count", counts), ("array_indices_submitted", f"1-{count}")]
        out.append(("array_indices_remaining", _ranges(left) or "-"))
        out += [("project", "_pbs_project_default"), ("Submit_Host", site.login)]
        if array.slot_limit is not None:
            out.append(("max_run_subjobs", str(array.slot_limit)))
        return out

    def resources(self, job: Job) -> Attributes:
        """What it asked for."""
        chunk = f"ncpus={job.cores}" + (f":ngpus={job.gpus}" if job.gpus else "") + f":mem={job.memory}gb"
        select = f"{job.chunks}:{chunk}"
        out = [("Resource_List.mem", f"{job.all_memory}gb"), ("Resource_List.ncpus", str(job.all_cores))]
        if job.gpus:
            out.append(("Resource_List.ngpus", str(job.all_gpus)))
        out += [("Resource_List.nodect", str(job.chunks)), ("Resource_List.place", self._place(job))]
        out += [("Resource_List.select", select), ("Resource_List.walltime", duration_text(job.walltime))]
        out.append(("schedselect", select))
        return out

    def _place(self, job: Job) -> str:
        return "scatter" if job.chunks > 1 else "free"

    def exec_host(self, job: Job) -> str:
        """`cn001/0*24+cn002/0*24`; one core has no star."""
        nodes = self.site.nodes
        times = f"*{job.cores}" if job.cores > 1 else ""
        return "+".join(f"{nodes[n].name}/{next(bits(cores))}{times}" for n, cores in job.places)

    def exec_vnode(self, job: Job) -> str:
        """`(cn001:ncpus=24:mem=8388608kb)+...`."""
        gpus = f":ngpus={job.gpus}" if job.gpus else ""
        each = f":ncpus={job.cores}{gpus}:mem={job.memory * 1048576}kb)"
        return "+".join(f"({self.site.nodes[n].name}{each}" for n, _ in job.places)

    def _changed(self, job: Job) -> int:
        if job.released is not None or job.ended is not None:
            return job.released or job.ended or 0
        if job.phase is Phase.RUNNING:
            return self.now
        return max(job.submitted, self.simulation.pools[job.pool].last_round if job.phase is Phase.QUEUED else 0)

    def _environment(self, job: Job) -> str:
        name = job.user.name
        return (
            f"PBS_O_HOME=/home/{name},PBS_O_LANG=C.UTF-8,PBS_O_LOGNAME={name},"
            "PBS_O_PATH=/opt/pbs/bin:/usr/local/bin:/usr/bin:/bin,"
            f"PBS_O_MAIL=/var/mail/{name},PBS_O_SHELL=/bin/bash,PBS_O_WORKDIR=/home/{name}/{job.name},"
            f"PBS_O_SYSTEM=Linux,PBS_O_QUEUE={job.queue.name},PBS_O_HOST={self.site.login}"
        )

    def _submit_arguments(self, job: Job) -> str:
        words = [f"-N {job.name}", f"-q {job.queue.name}"]
        if job.array:
            limit = f"%{job.array.slot_limit}" if job.array.slot_limit is not None else ""
            words.append(f"-J 1-{len(job.array.tasks)}{limit}")
        if job.project:
            words.append(f"-A {job.project}")
        if job.hold == "u":
            words.append("-h")
        return " ".join([*words, f"-l walltime={duration_text(job.walltime)} run.sh"])

    def _time(self, at: int) -> str:
        return ctime_text(at, self.zone)


def _ranges(numbers: list[int]) -> str:
    """[1, 2, 3, 7] -> `1-3,7`."""
    parts: list[str] = []
    first = previous = None
    for number in [*numbers, None]:
        if previous is not None and number == previous + 1:
            previous = number
            continue
        if first is not None:
            parts.append(str(first) if first == previous else f"{first}-{previous}")
        first = previous = number
    return ",".join(parts)
