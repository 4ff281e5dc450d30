"""A simulated cluster as OpenPBS 23.06's qstat, pbsnodes and pbs_rstat print it; its jobs are openpbs_jobs.py's.

`qstat -f` (with any of `-t`, `-x`, `-w`), `qstat`, `qstat -Q`, `-Q -f`, `qstat -B -f`, `pbsnodes -a`, `-av` and `-l`,
`pbs_rstat -f`, text only; everything else is refused with the client's own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import tzinfo

from demo.clusters import Node, Queue
from demo.forms import OPENPBS_WIDTH, Answer, attribute_lines, ctime_text, duration_text, table
from demo.jobs import Reservation
from demo.openpbs_jobs import Attributes, JobListing
from demo.refusals import OPENPBS_USAGE, RSTAT_USAGE
from demo.scheduler import bits
from demo.simulation import Simulation

_WORDS = (
    ("Transit", "T"),
    ("Queued", "Q"),
    ("Held", "H"),
    ("Waiting", "W"),
    ("Running", "R"),
    ("Exiting", "E"),
    ("Begun", "B"),
)


def answer(simulation: Simulation, argv: list[str], zone: tzinfo | None) -> Answer:
    """What the command `argv` (`qstat -t -f -w`) prints at the simulation's time."""
    listing = Listing(simulation, zone)
    command, *options = argv
    flags = "".join(option[1:] for option in options)
    given = frozenset(flags)
    if any(not option.startswith("-") or option.startswith("--") for option in options):
        return _refused(command, options)
    text: str | None = None
    if command == "pbsnodes":
        ways: dict[str, Callable[[], str]] = {"a": listing.nodes, "av": listing.nodes, "l": listing.nodes_down}
        way = ways.get("".join(sorted(given)))
        text = way() if way else None
    elif command == "pbs_rstat":
        text = listing.reservations() if given == {"f"} else None
    elif given == {"Q", "f"}:
        text = listing.queues()
    elif given == {"Q"}:
        text = listing.queues_brief()
    elif given == {"B", "f"}:
        text = listing.server()
    elif "f" in given and given <= set("ftxw"):
        text = listing.jobs(subjobs="t" in given, history="x" in given, wide="w" in given)
    elif given <= set("tx"):
        text = listing.jobs_brief(subjobs="t" in given, history="x" in given)
    return _refused(command, options) if text is None else Answer(text.encode())


def _refused(command: str, options: list[str]) -> Answer:
    letter = (options or [""])[-1].lstrip("-")[:1]
    usage = {"qstat": OPENPBS_USAGE, "pbs_rstat": RSTAT_USAGE}.get(command, "usage: pbsnodes -a[v]\n")
    code = 1 if command == "pbs_rstat" else 2
    return Answer(b"", f"{command}: invalid option -- '{letter}'\n{usage}".encode(), code)


class Listing(JobListing):
    """All listings of one moment."""

    def nodes(self) -> str:
        """`pbsnodes -av`; the same as `-a`, for no host has several vnodes here."""
        reserved = {n: r for r in self.simulation.active_reservations() for n in bits(r.nodes)}
        return "".join(self._node(node, reserved.get(node.index)) for node in self.site.nodes)

    def nodes_down(self) -> str:
        """`pbsnodes -l`."""
        rows = []
        for index in sorted(self.simulation.out):
            node = self.site.nodes[index]
            rows.append((node.name, self.node_state(node, None), self.simulation.out[index][1]))
        return table(rows, "{:<20} {} {}")

    def node_state(self, node: Node, reservation: Reservation | None) -> str:
        """The native words: free, job-busy, offline, down, resv-exclusive."""
        words = []
        out = self.simulation.out.get(node.index)
        if out:
            words.append(out[0])
        if not self.simulation.machine.free_cores[node.index] and (not out or out[0] != "down"):
            words.append("job-busy")
        if reservation and not (out and out[0] == "down"):
            words.append("resv-exclusive")
        return ",".join(words) or "free"

    def _node(self, node: Node, reservation: Reservation | None) -> str:
        machine, site = self.simulation.machine, self.site
        out = self.simulation.out.get(node.index)
        jobs = sorted(machine.jobs[node.index], key=lambda job: job.serial)
        slots = []
        for job in jobs:
            for at, cores in job.places:
                if at == node.index:
                    slots += [f"{self.job_id(job)}/{core}" for core in bits(cores)]
        version = "unavailable" if out and out[0] == "down" else site.version
        lines = [f"Mom = {node.name}.{site.server}.example", "Port = 15002", f"pbs_version = {version}", "ntype = PBS"]
        lines += [f"state = {self.node_state(node, reservation)}", f"pcpus = {node.cores}"]
        if slots:
            lines.append(f"jobs = {', '.join(slots)}")
        if reservation:
            lines.append(f"resv = R{reservation.number}.{site.server}")
        available = [("arch", "linux"), ("feature", ",".join(node.properties))]
        if node.gpu_model:
            available.append(("gpu_model", node.gpu_model))
        available += [("host", node.name), ("mem", f"{node.memory}gb"), ("ncpus", str(node.cores))]
        if node.gpus:
            available.append(("ngpus", str(node.gpus)))
        available.append(("vnode", node.name))
        lines += [f"resources_available.{name} = {value}" for name, value in available]
        memory = (node.memory - machine.free_memory[node.index]) * 1048576
        assigned = [("accelerator_memory", "0kb"), ("hbmem", "0kb"), ("mem", f"{memory}kb"), ("naccelerators", "0")]
        assigned.append(("ncpus", str(node.cores - machine.free_cores[node.index])))
        if node.gpus:
            assigned.append(("ngpus", str(node.gpus - machine.free_gpus[node.index])))
        assigned.append(("vmem", "0kb"))
        lines += [f"resources_assigned.{name} = {value}" for name, value in assigned]
        if out and out[1]:
            lines.append(f"comment = {out[1]}")
        lines += ["resv_enable = True", "sharing = default_shared", "license = l"]
        changed = out[2] if out else max([job.started or 0 for job in jobs], default=self.simulation.begin)
        lines.append(f"last_state_change_time = {self._time(changed)}")
        return node.name + "\n" + "".join(f"     {line}\n" for line in lines) + "\n"

    # Queues and server

    def queues(self) -> str:
        """`qstat -Q -f`; a confirmed reservation has a queue of its own."""
        counts = self.counts()
        out = []
        for queue in self.site.queues:
            out.append(f"Queue: {queue.name}\n{attribute_lines(self._queue(queue, counts), OPENPBS_WIDTH)}\n")
        for reservation in self.simulation.confirmed_reservations():
            lines = attribute_lines(self._reservation_queue(reservation), OPENPBS_WIDTH)
            out.append(f"Queue: R{reservation.number}\n{lines}\n")
        return "".join(out)

    def counts(self) -> Counter[tuple[str, str]]:
        """(queue, letter) -> number: an array counts once, its running subjobs one by one."""
        counts: Counter[tuple[str, str]] = Counter()
        for job in self.simulation.jobs:
            if job.array is None or job.started is not None:
                counts[job.queue.name, self.letter(job)] += 1
        for array in self.simulation.arrays.values():
            counts[array.tasks[0].queue.name, self.array_letter(array)] += 1
        return counts

    def _queue(self, queue: Queue, counts: Counter[tuple[str, str]]) -> Attributes:
        out: Attributes = [("queue_type", "Execution")]
        if queue.priority:
            out.append(("Priority", str(queue.priority)))
        out += self._state_count(Counter({letter: n for (name, letter), n in counts.items() if name == queue.name}))
        if not queue.takes_jobs:
            return [*out, ("enabled", str(queue.enabled)), ("started", str(queue.started))]
        limits = self.limits(queue)
        out.append(limits[0])
        if queue.default_walltime is not None:
            out.append(("resources_default.walltime", duration_text(queue.default_walltime)))
        if queue.gpu:
            out += [("resources_default.ngpus", "1"), ("default_chunk.ngpus", "1")]
        running = [job for job in self.simulation.jobs if job.queue is queue and job.started is not None]
        if running:
            out.append(("resources_assigned.mem", f"{sum(job.all_memory for job in running)}gb"))
            out.append(("resources_assigned.ncpus", str(sum(job.all_cores for job in running))))
            if queue.gpu:
                out.append(("resources_assigned.ngpus", str(sum(job.all_gpus for job in running))))
            out.append(("resources_assigned.nodect", str(sum(job.chunks for job in running))))
        return [*out, *limits[1:], ("enabled", str(queue.enabled)), ("started", str(queue.started))]

    def limits(self, queue: Queue) -> Attributes:
        """What limits a queue, first its longest walltime; a name can stand twice."""
        if not queue.takes_jobs:
            return []
        out: Attributes = [("resources_max.walltime", duration_text(queue.max_walltime))]
        if queue.user_jobs is not None:
            out.append(("max_run", f"[u:PBS_GENERIC={queue.user_jobs}]"))
        if queue.all_cores is not None:
            out.append(("max_run_res.ncpus", f"[o:PBS_ALL={queue.all_cores}]"))
        if queue.user_cores is not None:
            out.append(("max_run_res.ncpus", f"[u:PBS_GENERIC={queue.user_cores}]"))
        if queue.user_gpus is not None:
            out.append(("max_run_res.ngpus", f"[u:PBS_GENERIC={queue.user_gpus}]"))
        return out

    def reservation_limits(self, reservation: Reservation) -> Attributes:
        """What limits the queue of a reservation: that it has a list of users, then how much of what."""
        cores = str(self.reserved_cores(reservation))
        return [("acl_user_enable", "True"), ("resources_max.ncpus", cores), ("resources_available.ncpus", cores)]

    def reserved_cores(self, reservation: Reservation) -> int:
        """All cores of its nodes."""
        return sum(self.site.nodes[n].cores for n in bits(reservation.nodes))

    def _reservation_queue(self, reservation: Reservation) -> Attributes:
        out = [("queue_type", "Execution"), *self._state_count(Counter())]
        listed, *amounts = self.reservation_limits(reservation)
        out += [listed, ("acl_users", f"{reservation.owner}@{self.site.login}"), *amounts, ("enabled", "True")]
        return [*out, ("started", str(reservation.start <= self.now)), ("partition", "pbs-default")]

    def reservations(self) -> str:
        """`pbs_rstat -f`: attributes at column 0, never wrapped."""
        return "".join(
            f"Resv ID: R{one.number}.{self.site.server}\n"
            + "".join(f"{name} = {value}\n" for name, value in self._reservation(one))
            + "\n"
            for one in self.simulation.confirmed_reservations()
        )

    def _reservation(self, reservation: Reservation) -> Attributes:
        nodes = [self.site.nodes[n] for n in bits(reservation.nodes)]
        owner = f"{reservation.owner}@{self.site.login}"
        running = reservation.start <= self.now
        changed = reservation.start if running else reservation.made
        times = (reservation.start, reservation.end, reservation.made, changed)
        start, end, ctime, mtime = (ctime_text(at, self.zone, "02d") for at in times)
        select = f"{len(nodes)}:ncpus={nodes[0].cores}"
        out = [("Reserve_Name", reservation.name), ("Reserve_Owner", owner)]
        out += [("reserve_state", "RESV_RUNNING" if running else "RESV_CONFIRMED")]
        out += [("reserve_substate", "5" if running else "2"), ("reserve_start", start), ("reserve_end", end)]
        out += [("reserve_duration", str(reservation.end - reservation.start)), ("queue", f"R{reservation.number}")]
        out += [("Resource_List.ncpus", str(self.reserved_cores(reservation)))]
        out += [("Resource_List.nodect", str(len(nodes))), ("Resource_List.select", select)]
        out += [("Resource_List.place", "scatter:excl")]
        out += [("Resource_List.walltime", duration_text(reservation.end - reservation.start))]
        out += [("schedselect", select), ("resv_nodes", "+".join(f"({n.name}:ncpus={n.cores})" for n in nodes))]
        out += [("Authorized_Users", owner), ("server", self.site.server), ("ctime", ctime), ("mtime", mtime)]
        home = f"PBS_O_LOGNAME={reservation.owner},PBS_O_HOST=localhost,PBS_O_MAIL=/var/mail/{reservation.owner}"
        group = next((user.group for user in self.site.users if user.name == reservation.owner), reservation.owner)
        out += [("Variable_List", home), ("euser", reservation.owner), ("egroup", group)]
        return [*out, ("reserve_count", "1"), ("partition", "pbs-default")]

    def _state_count(self, counts: Counter[str]) -> Attributes:
        text = "".join(f"{word}:{counts[letter]} " for word, letter in _WORDS)
        return [("total_jobs", str(sum(counts[letter] for _, letter in _WORDS))), ("state_count", text)]

    def queues_brief(self) -> str:
        """`qstat -Q`."""
        counts = self.counts()
        rows = []
        for queue in self.site.queues:
            own = {letter: counts[queue.name, letter] for letter in "QRHWTEB"}
            yes = ("yes" if queue.enabled else "no", "yes" if queue.started else "no")
            numbers = [own[letter] for letter in "QRHWTE"]
            rows.append((queue.name, 0, sum(own.values()), *yes, *numbers, "Exe*"))
        return (
            "Queue              Max   Tot Ena Str   Que   Run   Hld   Wat   Trn   Ext Type\n"
            "---------------- ----- ----- --- --- ----- ----- ----- ----- ----- ----- ----\n"
            + table(rows, "{:<16} {:>5} {:>5} {:>3} {:>3} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {}")
        )

    def server(self) -> str:
        """`qstat -B -f`."""
        site = self.site
        counts: Counter[str] = Counter()
        for (_, letter), number in self.counts().items():
            counts[letter] += number
        running = [job for job in self.simulation.jobs if job.started is not None]
        out = [("server_state", "Active"), ("server_host", f"{site.server}.example"), ("scheduling", "True")]
        out += self._state_count(counts)
        out += [("managers", "root@*"), ("default_queue", "batch"), ("log_events", "511"), ("mail_from", "adm")]
        out += [("query_other_jobs", "True"), ("resources_default.ncpus", "1"), ("default_chunk.ncpus", "1")]
        out.append(("resources_assigned.ncpus", str(sum(job.all_cores for job in running))))
        out.append(("resources_assigned.nodect", str(sum(job.chunks for job in running))))
        out += [("scheduler_iteration", "600"), ("flatuid", "True"), ("resv_enable", "True")]
        out += [("node_fail_requeue", "0"), ("max_array_size", "10000"), ("pbs_version", site.version)]
        out += [("eligible_time_enable", "True"), ("job_history_enable", "True")]
        out.append(("job_history_duration", duration_text(self.simulation.remember)))
        return f"Server: {site.server}\n{attribute_lines(out, OPENPBS_WIDTH)}\n"
