"""A simulated cluster as TORQUE 6.1's qstat and pbsnodes print it; its jobs are torque_jobs.py's.

`qstat -f` (`-t`, `-1`), `qstat -x` (`-t`), `qstat`, `qstat -Q`, `-Q -f`, `qstat -B -f`, `pbsnodes`, `-a`, `-x`
and `-l`; everything else is refused with the client's own words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import tzinfo

from demo.clusters import Node, Queue
from demo.forms import TORQUE_WIDTH, Answer, attribute_lines, duration_text, table
from demo.jobs import Job
from demo.refusals import TORQUE_USAGE
from demo.simulation import Simulation
from demo.torque_jobs import Attributes, JobListing, slots_text, xml_record

_WORDS = (
    ("Transit", "T"),
    ("Queued", "Q"),
    ("Held", "H"),
    ("Waiting", "W"),
    ("Running", "R"),
    ("Exiting", "E"),
    ("Complete", "C"),
)


def answer(simulation: Simulation, argv: list[str], zone: tzinfo | None) -> Answer:
    """What the command `argv` (`qstat -t -x`) prints at the simulation's time."""
    listing = Listing(simulation, zone)
    command, *options = argv
    flags: set[str] = set()
    for option in options:
        if not option.startswith("-") or option.startswith("--"):
            return Answer(b"", TORQUE_USAGE.encode(), 2)
        flags.update(option[1:])
    text: str | None = None
    if command == "pbsnodes":
        ways: dict[str, Callable[[], str]] = {"": listing.nodes, "a": listing.nodes, "x": listing.nodes_xml}
        ways["l"] = listing.nodes_down
        way = ways.get("".join(sorted(flags)))
        text = way() if way else None
    elif {"x", "1"} <= flags:
        return Answer(b"", f"qstat: conflicting options.\n{TORQUE_USAGE}".encode(), 2)
    elif flags <= {"x", "t", "f"} and "x" in flags:
        text = listing.jobs_xml(subjobs="t" in flags)
    elif flags <= {"f", "t", "1"} and "f" in flags:
        text = listing.jobs(subjobs="t" in flags, wide="1" in flags)
    elif flags <= {"Q", "f", "1"} and "Q" in flags:
        text = listing.queues() if "f" in flags else listing.queues_brief()
    elif flags <= {"B", "f", "1"} and {"B", "f"} <= flags:
        text = listing.server()
    elif flags <= {"t"}:
        text = listing.jobs_brief(subjobs="t" in flags)
    return Answer(b"", TORQUE_USAGE.encode(), 2) if text is None else Answer(text.encode())


class Listing(JobListing):
    """All listings of one moment."""

    def nodes(self) -> str:
        """`pbsnodes -a`."""
        return "".join(
            f"{node.name}\n" + "".join(f"     {name} = {value}\n" for name, value in self._node(node)) + "\n"
            for node in self.site.nodes
        )

    def nodes_xml(self) -> str:
        """`pbsnodes -x`."""
        nodes = "".join(xml_record("Node", [("name", node.name), *self._node(node)]) for node in self.site.nodes)
        return f"<Data>{nodes}</Data>\n"

    def nodes_down(self) -> str:
        """`pbsnodes -l`."""
        rows = [(self.site.nodes[index].name, self.node_state(self.site.nodes[index])) for index in self.simulation.out]
        return table(sorted(rows), "{:<20} {}")

    def node_state(self, node: Node) -> str:
        """The native words: free, job-exclusive, offline, down."""
        words = []
        out = self.simulation.out.get(node.index)
        if out:
            words.append(out[0])
        if not self.simulation.machine.free_cores[node.index] and (not out or out[0] != "down"):
            words.append("job-exclusive")
        return ",".join(words) or "free"

    def figures(self, node: Node) -> dict[str, int | str]:
        """What the node's mom reports: memory in kB, and its load."""
        machine = self.simulation.machine
        total = node.memory * 1048576
        used = sum(job.used_kilobytes(self.now) // job.chunks for job in machine.jobs[node.index])
        load = sum(job.cores * job.efficiency for job in machine.jobs[node.index])
        return {
            "physmem": total,
            "totmem": total + 8388608,
            "availmem": total + 8388608 - used,
            "loadave": f"{load:.2f}",
        }

    def _node(self, node: Node) -> Attributes:
        machine = self.simulation.machine
        out = self.simulation.out.get(node.index)
        jobs = sorted(machine.jobs[node.index], key=lambda job: job.serial)
        lines: Attributes = [("state", self.node_state(node)), ("power_state", "Running"), ("np", str(node.cores))]
        lines += [("properties", ",".join(node.properties)), ("ntype", "cluster")]
        slots = [f"{slots_text(cores)}/{self.job_id(j)}" for j in jobs for n, cores in j.places if n == node.index]
        if slots:
            lines.append(("jobs", ",".join(slots)))
        if not (out and out[0] == "down"):
            figures = self.figures(node)
            status = f"arch=x86_64,opsys=linux,uname=Linux {node.name} 3.10.0-1160.el7.x86_64 #1 SMP x86_64,"
            status += f"nsessions={len(jobs)},nusers={len({job.user.name for job in jobs})},idletime=214521,"
            status += f"totmem={figures['totmem']}kb,availmem={figures['availmem']}kb,physmem={figures['physmem']}kb,"
            status += f"ncpus={node.cores},loadave={figures['loadave']},gres=,netload=449670,"
            status += "size=77381032kb:264212084kb,state=free,varattr= ,cpuclock=Fixed,"
            status += f"macaddr=02:00:00:00:00:{node.index % 256:02x},version={self.site.version},"
            status += f"rectime={self.now - node.index % 45},jobs={' '.join(self.job_id(job) for job in jobs)}"
            lines.append(("status", status))
        if out and out[1]:
            lines.append(("note", out[1]))
        lines += [("mom_service_port", "15002"), ("mom_manager_port", "15003")]
        return lines

    # Queues and server

    def counts(self) -> Counter[tuple[str, str]]:
        """(queue, letter) -> number of jobs, tasks one by one."""
        jobs = (item for item in self.listed(True) if isinstance(item, Job))
        return Counter((job.queue.name, self.letter(job)) for job in jobs)

    def queues(self) -> str:
        """`qstat -Q -f`."""
        counts = self.counts()
        return "".join(
            f"Queue: {queue.name}\n{attribute_lines(self._queue(queue, counts), TORQUE_WIDTH)}\n"
            for queue in self.site.queues
        )

    def _queue(self, queue: Queue, counts: Counter[tuple[str, str]]) -> list[tuple[str, str]]:
        own = Counter({letter: n for (name, letter), n in counts.items() if name == queue.name})
        out = [("queue_type", "Route" if queue.routes_to else "Execution")]
        if queue.priority:
            out.append(("Priority", str(queue.priority)))
        out += _state_count(own)
        limits = self.limits(queue)
        out += limits[:1]
        if queue.default_walltime is not None:
            out.append(("resources_default.walltime", duration_text(queue.default_walltime)))
        out.append(("mtime", str(self.simulation.begin - 3024000)))
        if queue.routes_to:
            out.append(("route_destinations", ",".join(queue.routes_to)))
        running = [job for job in self.simulation.jobs if job.queue is queue and job.started is not None]
        if running:
            out.append(("resources_assigned.nodect", str(sum(job.chunks for job in running))))
        return [*out, *limits[1:], ("enabled", str(queue.enabled)), ("started", str(queue.started))]

    def limits(self, queue: Queue) -> list[tuple[str, str]]:
        """What limits a queue, first its longest walltime."""
        if not queue.takes_jobs:
            return []
        out = [("resources_max.walltime", duration_text(queue.max_walltime))]
        if queue.user_jobs is not None:
            out.append(("max_user_run", str(queue.user_jobs)))
        return out

    def queues_brief(self) -> str:
        """`qstat -Q`."""
        counts = self.counts()
        rows = []
        for queue in self.site.queues:
            own = [counts[queue.name, letter] for letter in "QRHWTE"]
            yes = ("yes" if queue.enabled else "no", "yes" if queue.started else "no")
            kind = "R" if queue.routes_to else "E"
            complete = counts[queue.name, "C"]
            rows.append((queue.name, 0, sum(own) + complete, *yes, *own, kind, complete))
        return (
            "Queue              Max    Tot   Ena   Str   Que   Run   Hld   Wat   Trn   Ext T   Cpt\n"
            "----------------   ---   ----    --    --   ---   ---   ---   ---   ---   --- -   ---\n"
            + table(rows, "{:<16} {:>5} {:>6} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {:>5} {} {:>5}")
        )

    def server(self) -> str:
        """`qstat -B -f`."""
        site = self.site
        counts: Counter[str] = Counter()
        for (_, letter), number in self.counts().items():
            counts[letter] += number
        running = [job for job in self.simulation.jobs if job.started is not None]
        out = [("server_state", "Active"), ("scheduling", "True"), *_state_count(counts)]
        out += [("acl_hosts", site.server), ("managers", "root@*"), ("default_queue", "route"), ("log_events", "511")]
        out += [("mail_from", "adm"), ("query_other_jobs", "True"), ("resources_default.nodes", "1")]
        out.append(("resources_assigned.nodect", str(sum(job.chunks for job in running))))
        out += [("scheduler_iteration", "30"), ("node_check_rate", "150"), ("tcp_timeout", "300")]
        out += [("job_stat_rate", "30"), ("poll_jobs", "True"), ("mom_job_sync", "True"), ("pbs_version", site.version)]
        out += [("keep_completed", str(site.keep_completed)), ("next_job_number", str(self.simulation.next_number))]
        return f"Server: {site.server}\n{attribute_lines(out, TORQUE_WIDTH)}\n"


def _state_count(counts: Counter[str]) -> list[tuple[str, str]]:
    text = "".join(f"{word}:{counts[letter]} " for word, letter in _WORDS)
    return [("total_jobs", str(sum(counts[letter] for _, letter in _WORDS))), ("state_count", text)]
