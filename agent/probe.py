"""One report: asks a source the dialect's queries, parses, judges failures, and assembles.

A source is a live cluster (live.LiveSource) or a folder of recorded outputs (recording.Replay). A failed
job listing is an error; whatever else fails becomes a warning in a report that stands without it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import replace
from datetime import tzinfo
from typing import Any, Dict, List, Optional, Protocol, Sequence, Tuple

from agent import __version__
from agent.commands import Output
from agent.dialects import DIALECTS, EXTRAS, JOBS, NODES, QUEUES, RESERVATIONS, SERVER, Alternative
from agent.errors import AgentError, CommandError, CommandMissing, CommandTimeout, ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, ParsedReservations, ParsedServer
from agent.report import Job, Node, Report, Scheduler, Warning
from agent.states import HOLDS_CORES, JobState, NodeState, occupied

_WORDS = 400
"""Characters of a command's standard error that go into a message."""


class Source(Protocol):
    """Where outputs come from."""

    @property
    def kind(self) -> str:
        """`openpbs`, `torque` or `slurm`; raises CommandError where it cannot be found out."""

    @property
    def version(self) -> str:
        """The scheduler's version where its server does not tell; empty if unknown."""

    @property
    def server(self) -> str:
        """The server's name where it does not tell it itself; empty if unknown."""

    @property
    def place(self) -> str:
        """A name for the cluster where the server has none: that of this host, or of the folder."""

    def learn(self, version: str, server: str) -> None:
        """What the server has told of itself, for reports in which it does not answer."""

    def next_report(self) -> None:
        """A new report begins."""

    def fetch(self, query: str) -> Tuple[Alternative, Output, tzinfo]:
        """The output that answers `query`, how it was asked, and the zone of its times.

        Raises CommandMissing, CommandTimeout, OutputTooLarge; a failed command is returned as it ended.
        """


def take_report(source: Source, cluster: Optional[str] = None) -> Report:
    """Ask everything once and assemble the report; raises CommandError or ParseError if the job listing fails."""
    source.next_report()
    probe = _Probe(source)
    jobs = probe.jobs()
    nodes: ParsedNodes = probe.beside(NODES, ParsedNodes())
    queues: ParsedQueues = probe.beside(QUEUES, ParsedQueues())
    server: ParsedServer = probe.beside(SERVER, ParsedServer())
    reservations = ParsedReservations()
    if RESERVATIONS in DIALECTS[source.kind]:
        reservations = probe.beside(RESERVATIONS, reservations)
    counted = nodes.nodes
    if jobs.complete:
        counted = count_cores_used(nodes.nodes, jobs.jobs)
    probe.warnings += check_visible(jobs, queues) + check_hosts(jobs.jobs, counted)
    if server.name:
        source.learn(server.version, server.name)
    return Report(
        cluster=cluster or source.server or source.place,
        scheduler=Scheduler(source.kind, source.version, source.server),
        taken_at=probe.taken_at,
        query_seconds=probe.seconds,
        jobs=jobs.jobs,
        arrays=jobs.arrays,
        nodes=counted,
        queues=queues.queues,
        warnings=probe.warnings,
        agent_version=__version__,
        partial=tuple(query for query in (JOBS, NODES, QUEUES) if query in probe.partial),
        reservations=tuple(reservations.reservations),
    )


class _Probe:
    """One round of queries."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.warnings: List[Warning] = []
        self.seconds: Dict[str, float] = {}
        self.partial: List[str] = []
        self.taken_at = 0.0
        self._hung = ""

    def jobs(self) -> ParsedJobs:
        way, parsed = self._ask(JOBS)
        jobs: ParsedJobs = parsed
        if jobs.arrays and not way.subjobs:
            self._warn(
                shlex.join(way.argv),
                f"lists {len(jobs.arrays)} job arrays without their subjobs, so cores that those use are not counted",
            )
        return jobs

    def beside(self, query: str, empty: Any) -> Any:
        """The answer to a query that the report can do without: `empty` and a warning if it fails."""
        if self._hung:
            self._fail(query, query, f"not asked, because {self._hung} did not answer in time")
            return empty
        try:
            return self._ask(query)[1]
        except CommandTimeout as error:
            self._hung = error.command
            self._fail(query, error.command, str(error))
        except CommandMissing as error:
            # The server's name and version are known from elsewhere, or do without; what is not installed tells nothing.
            if query == SERVER or query in EXTRAS:
                return empty
            self._fail(query, error.command, str(error))
        except CommandError as error:
            self._fail(query, error.command, str(error))
        except AgentError as error:
            self._fail(query, query, str(error))
        return empty

    def _ask(self, query: str) -> Tuple[Alternative, Any]:
        way, output, zone = self.source.fetch(query)
        self.seconds[query] = output.seconds
        judge(way, output)
        try:
            parsed = way.parse(output.stdout, zone)
        except ParseError as error:
            if not output.stderr.strip():
                raise
            raise ParseError(f"{error}; on standard error it said: {short(output.stderr)}") from None
        self.taken_at = max(self.taken_at, output.finished_at)
        if output.stderr.strip():
            self._warn(output.command, f"printed on standard error: {short(output.stderr)}")
        self.warnings += parsed.warnings
        if not getattr(parsed, "complete", True):
            self.partial.append(query)
        return way, parsed

    def _fail(self, query: str, source: str, message: str) -> None:
        self.partial.append(query)
        self._warn(source, message)

    def _warn(self, source: str, message: str) -> None:
        self.warnings.append(Warning(source, message))


def judge(way: Alternative, output: Output) -> None:
    """Raise CommandError if a command failed, whatever it printed.

    A server that is away shows in the exit code, beside a document that is valid and empty (OpenPBS JSON);
    some exit codes mean that there is nothing to list; words without any output are a failure too.
    """
    silent = not output.stdout or output.stdout.isspace()  # strip() would copy it
    words = short(output.stderr)
    if output.exit_code == 0 and not (silent and words):
        return
    if output.exit_code in way.idle_exits and silent and not words:
        return
    how = f"failed with exit code {output.exit_code}" if output.exit_code else "printed nothing but an error"
    if output.exit_code < 0:
        how = f"was ended by signal {-output.exit_code}"
    raise CommandError(
        f"{output.command} {how}: {words or 'it printed no reason'}", output.command, output.exit_code, output.stderr
    )


def count_cores_used(nodes: Sequence[Node], jobs: Sequence[Job]) -> List[Node]:
    """Nodes whose listing does not tell of used cores and jobs (Slurm's wrapper) get them from the jobs' hosts.

    Where the node's own state contradicts the count (busy, but no job of ours is there), nothing is said.
    """
    used: Counter[str] = Counter()
    there: Dict[str, List[str]] = {}
    for job in jobs:
        if job.state in HOLDS_CORES:
            for host, cores in job.hosts.items():
                used[host] += cores
                there.setdefault(host, []).append(job.id)
    return [_counted(node, used[node.name], there.get(node.name, [])) for node in nodes]


def _counted(node: Node, used: int, jobs: List[str]) -> Node:
    if node.cores_used is not None or node.cores is None:
        return node
    if not used and node.state in (NodeState.PARTIAL, NodeState.BUSY):
        return node
    return replace(
        node, cores_used=used, state=occupied(node.state, node.cores, used), jobs=node.jobs or tuple(sorted(jobs))
    )


_STARTED = frozenset({JobState.RUNNING, JobState.EXITING, JobState.SUSPENDED})
_ENDED = frozenset({JobState.FINISHED, JobState.UNKNOWN})


def check_visible(jobs: ParsedJobs, queues: ParsedQueues) -> List[Warning]:
    """Warn where the queues' own counters tell of many more jobs than were listed.

    OpenPBS and TORQUE then hide other users' jobs (query_other_jobs). Counters count a waiting array once
    and are taken a moment later than the listing: small differences are normal.
    """
    counters: Counter[JobState] = Counter()
    for queue in queues.queues:
        for word, count in queue.jobs.items():
            counters[JobState(word)] += count
    total = sum(count for state, count in counters.items() if state not in _ENDED)
    listed = sum(1 for job in jobs.jobs if job.state in _STARTED or (job.array_id is None and job.state not in _ENDED))
    listed += len(jobs.arrays)
    if total - listed <= max(5, total // 5):
        return []
    return [
        Warning(
            JOBS,
            f"only {listed} of {total} jobs are visible to this account (the rest is hidden, as with "
            "query_other_jobs = False); run the agent as an account that may see all jobs",
        )
    ]


def check_hosts(jobs: Sequence[Job], nodes: Sequence[Node]) -> List[Warning]:
    """Warn where running jobs are on nodes that the node listing does not have."""
    if not nodes:
        return []
    names = {node.name for node in nodes}
    strange = sorted({host for job in jobs if job.state in HOLDS_CORES for host in job.hosts} - names)
    if not strange:
        return []
    some = ", ".join(strange[:3]) + (", …" if len(strange) > 3 else "")
    return [Warning(NODES, f"{len(strange)} hosts of running jobs are not in the node listing: {some}")]


def short(stderr: str) -> str:
    """What a command printed on standard error, as one short line for a message."""
    line = " ".join(stderr.split())
    return line if len(line) <= _WORDS else line[: _WORDS - 1] + "…"
