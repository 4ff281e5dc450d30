"""A simulated cluster as the qstat and pbsnodes of Slurm's torque wrappers print it.

`qstat -f`, `qstat`, `qstat -Q`, `qstat -Q -f`, `pbsnodes`, `pbsnodes -a`, `pbsnodes -l` and `scontrol show config`;
everything else is refused with the wrappers' own words. The wrappers hide much: a held job is Q, a pending
array is one record, and there is no comment, memory, GPU or exit status of a job.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from demo.clusters import Node
from demo.forms import Answer, ctime_text, duration_text, table
from demo.jobs import Job, Phase
from demo.refusals import SLURM_USAGE
from demo.simulation import Simulation

_LETTERS = {
    Phase.QUEUED: "Q",
    Phase.HELD: "Q",
    Phase.WAITING: "Q",
    Phase.RUNNING: "R",
    Phase.EXITING: "C",
    Phase.ENDED: "C",
}

NO_JOBS = 153
"""The exit code of a wrapper that has nothing to list."""


def answer(simulation: Simulation, argv: list[str], zone: tzinfo | None) -> Answer:
    """What the command `argv` (`qstat -f`) prints at the simulation's time."""
    listing = Listing(simulation, zone)
    command, *options = argv
    if command == "scontrol":
        if options == ["show", "config"]:
            return Answer(listing.config().encode())
        return Answer(b"", f"invalid entity:{(options or [''])[-1]} for keyword:show \n".encode(), 1)
    known = ("-f", "-1", "-Q", "-a") if command == "qstat" else ("-a", "-l")
    for option in options:
        if option not in known:
            return Answer(b"", f"Unknown option: {option.lstrip('-')}\n{SLURM_USAGE[command]}".encode(), 2)
    if command == "pbsnodes":
        return Answer((listing.nodes_down() if "-l" in options else listing.nodes()).encode())
    if "-Q" in options:
        return Answer((listing.queues() if "-f" in options else listing.queues_brief()).encode())
    text = listing.jobs() if "-f" in options else listing.jobs_brief()
    return Answer(text.encode(), b"", 0 if text else NO_JOBS)


class Listing:
    """All listings of one moment."""

    def __init__(self, simulation: Simulation, zone: tzinfo | None) -> None:
        self.simulation = simulation
        self.site = simulation.site
        self.now = simulation.now
        self.zone = zone

    # Jobs

    def listed(self) -> list[Job]:
        """By id; ended jobs stay for a while; the tasks of an array that wait are one record."""
        simulation, since = self.simulation, self.now - self.site.keep_completed
        jobs = [job for job in simulation.ended if (job.released or 0) > since]
        seen = set()
        for job in simulation.jobs:
            if job.array is not None and job.started is None:
                if job.array in seen:
                    continue
                seen.add(job.array)
            jobs.append(job)
        return sorted(jobs, key=lambda job: (job.number, job.serial))

    def letter(self, job: Job) -> str:
        """The wrapper's letter."""
        return _LETTERS[job.phase]

    def priority(self, job: Job) -> int:
        """0 for a held job; the only sign of it."""
        return 0 if job.phase is Phase.HELD and job.hold in ("u", "o") else job.priority

    def times(self, job: Job) -> tuple[int | None, int | None]:
        """mtime and ctime: start and expected or real end; the scheduler's plan for a job that waits."""
        if job.started is not None:
            return job.started, job.ended if job.ended is not None else job.started + job.walltime
        if job.ended is not None:
            return job.ended, job.ended
        planned = job.wanted_start if job.phase is Phase.WAITING else self.simulation.due(job)
        return (None, None) if planned is None else (planned, planned + job.walltime)

    def exec_host(self, job: Job) -> str:
        """`b001/32+b002/32`: how many cores on each node."""
        return "+".join(f"{self.site.nodes[n].name}/{cores.bit_count()}" for n, cores in sorted(job.places))

    def jobs(self) -> str:
        """`qstat -f`."""
        out = []
        for job in self.listed():
            start, end = self.times(job)
            lines = [f"Job_Name = {job.name}", f"Job_Owner = {job.user.name}@{self.site.login}"]
            lines += [f"job_state = {self.letter(job)}", f"queue = {job.queue.name}"]
            lines.append(f"qtime = {ctime_text(job.submitted, self.zone)}")
            if start is not None and end is not None:
                lines += [f"mtime = {ctime_text(start, self.zone)}", f"ctime = {ctime_text(end, self.zone)}"]
            if job.project:
                lines.append(f"Account_Name = {job.project}")
            if job.started is not None:
                lines.append(f"exec_host = {self.exec_host(job)}")
            lines += [f"Priority = {self.priority(job)}", f"euser = {job.user.name}({job.user.uid})"]
            lines += [f"egroup = {job.user.group}({job.user.gid})"]
            lines += [f"Resource_List.walltime = {duration_text(job.walltime)}"]
            lines += [f"Resource_List.nodect = {job.chunks}", f"Resource_List.ncpus = {job.all_cores}"]
            out.append(f"Job Id:\t{job.number}\n" + "".join(f"\t{line}\n" for line in lines) + "\n")
        return "".join(out)

    def jobs_brief(self) -> str:
        """`qstat` without -f."""
        rows = []
        for job in self.listed():
            used = job.used_seconds(self.now)
            clock = f"{used // 86400:02d}:{used // 3600 % 24:02d}:{used // 60 % 60:02d}"
            rows.append((job.number, job.name, job.user.name, clock, self.letter(job), job.queue.name))
        if not rows:
            return ""
        return (
            "Job id              Name             Username        Time Use S Queue          \n"
            "------------------- ---------------- --------------- -------- - ---------------\n"
            + table(rows, "{:<19} {:<16.16} {:<15.15} {:>8} {} {:<15.15}")
        )

    # Nodes

    def node_state(self, node: Node) -> tuple[str, str]:
        """The wrapper's word, and Slurm's own."""
        machine = self.simulation.machine
        free = machine.free_cores[node.index]
        out = self.simulation.out.get(node.index)
        if out and out[0] == "down":
            return "down", "down"
        if out:
            return ("offline", "drained") if free == node.cores else ("draining", "draining")
        if any(r.nodes >> node.index & 1 for r in self.simulation.active_reservations()):
            return "maint", "maint"
        if free == node.cores:
            return "free", "idle"
        return ("mixed", "mixed") if free else ("job-exclusive", "allocated")

    def nodes(self) -> str:
        """`pbsnodes -a`, by name."""
        return "".join(self._node(node) for node in sorted(self.site.nodes, key=lambda node: node.name))

    def _node(self, node: Node) -> str:
        state, slurm_state = self.node_state(node)
        out = self.simulation.out.get(node.index)
        status = f"rectime={self.now},state={state},slurmstate={slurm_state},size=0kb:0kb"
        if node.gpus:
            status += f",gres=gpu:{node.gpu_model}:{node.gpus}"
        if out and out[1]:
            status += f',message="{out[1]}"'
        status += f",ncpus={node.cores},boards=1,sockets=2,cores={node.cores // 2},threads=1"
        status += f",availmem={node.memory * 1024}mb"
        if out and out[0] == "down":
            status += ",opsys=unknown"
        else:
            status += ",opsys=linux 6.1.0-32-amd64 #1 smp preempt_dynamic debian 6.1.129-1,arch=x86_64"
        lines = [f"state = {state}", f"np = {node.cores}", f"properties = {','.join(node.properties)}"]
        lines += ["ntype = cluster", f"status = {status}"]
        if out and out[1]:
            lines.append(f"note = {out[1]}")
        if node.gpus:
            lines.append(f"gpus = {node.gpus}")
        return node.name + "\n" + "".join(f"    {line}\n" for line in lines) + "\n"

    def nodes_down(self) -> str:
        """`pbsnodes -l`."""
        nodes = [self.site.nodes[index] for index in self.simulation.out]
        return table(sorted((node.name, self.node_state(node)[0]) for node in nodes), "{:<20} {}")

    # Queues and configuration

    def queues(self) -> str:
        """`qstat -Q -f`: of a partition the wrapper tells no limit."""
        out = []
        for queue in self.site.queues:
            nodes = self.site.gpu_nodes if queue.gpu else len(self.site.nodes) - self.site.gpu_nodes
            lines = ["queue_type = Execution", f"resources_default.nodes = {nodes}"]
            lines += [f"enabled = {_yes(queue.enabled)}", f"started = {_yes(queue.started)}"]
            out.append(f"Queue:\t{queue.name}\n" + "".join(f"\t{line}\n" for line in lines) + "\n")
        return "".join(out)

    def queues_brief(self) -> str:
        """`qstat -Q`."""
        rows = [(q.name, "?", "?", _yes(q.enabled), _yes(q.started), *"??????", "E") for q in self.site.queues]
        return (
            "Queue              Max   Tot   Ena   Str   Que   Run   Hld   Wat   Trn   Ext T\n"
            "----------------   ---   ---   ---   ---   ---   ---   ---   ---   ---   --- -\n"
            + table(rows, "{:<16} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {}")
        )

    def config(self) -> str:
        """`scontrol show config`, its most telling lines."""
        at = datetime.fromtimestamp(self.now, self.zone)
        pairs: Iterable[tuple[str, str]] = (
            ("ClusterName", self.site.server),
            ("SchedulerType", "sched/backfill"),
            ("SelectType", "select/cons_tres"),
            ("SLURM_VERSION", self.site.version),
            ("SlurmctldHost[0]", self.site.login),
        )
        lines = "".join(f"{name:<23} = {value}\n" for name, value in pairs)
        return f"Configuration data as of {at:%Y-%m-%dT%H:%M:%S}\n{lines}\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
