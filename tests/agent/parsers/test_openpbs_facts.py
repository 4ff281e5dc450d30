"""Every recorded output of OpenPBS, in every format, against what was true when it was recorded."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any, Callable, Dict, Iterable, List
from zoneinfo import ZoneInfo

import pytest

from agent.errors import ParseError
from agent.parsers import (
    ParsedJobs,
    ParsedNodes,
    ParsedQueues,
    ParsedReservations,
    ParsedServer,
    openpbs_json,
    openpbs_reservations,
    openpbs_text,
)
from agent.parsers.values import parse_seconds
from agent.report import Array, Job, Node
from agent.states import HOLDS_CORES, IS_PENDING, OPENPBS_JOB_STATES, JobState, NodeState
from tests.agent.samples import Output, Sample, load_sample, load_samples

SAMPLES = {sample.name: sample for sample in load_samples("openpbs")}
FACTS = {name: sample.facts for name, sample in SAMPLES.items()}
WHOLE = [sample for name, sample in SAMPLES.items() if "jobs_total" in FACTS[name]]
SERIES = load_sample("openpbs-23.06.06/timeseries")
OWN_JOBS = load_sample("openpbs-23.06.06/user-view")
ERRORS = load_sample("openpbs-23.06.06/errors")
DOWN = load_sample("openpbs-23.06.06/server-down")

WITHOUT_SUBJOBS = ("qstat -f", "qstat -f -w", "qstat -f -F json")
WITH_SUBJOBS = ("qstat -t -f", "qstat -t -f -w", "qstat -t -f -F json")
WITH_HISTORY = ("qstat -x -f", "qstat -x -f -F json")
NODES = ("pbsnodes -av", "pbsnodes -av -F json")
HOSTS = ("pbsnodes -a", "pbsnodes -a -F json")
QUEUES = ("qstat -Q -f", "qstat -Q -f -F json")
SERVER = ("qstat -B -f", "qstat -B -f -F json")


def parse(output: Output) -> Any:
    """What the parser of this output's format makes of it; each output is parsed once for all tests."""
    return _parsed(str(output.path), output.command, output.timezone)


@cache
def _parsed(path: str, command: str, zone: str) -> Any:
    raw = next(output for sample in SAMPLES.values() for output in sample.outputs if str(output.path) == path).read()
    parser: Any = openpbs_json if "json" in command else openpbs_text
    if " -Q " in command:
        return parser.parse_queues(raw)
    if " -B " in command:
        return parser.parse_server(raw)
    if command == "pbs_rstat -f":
        return openpbs_reservations.parse_reservations(raw, ZoneInfo(zone))
    read = parser.parse_nodes if "pbsnodes" in command else parser.parse_jobs
    return read(raw, ZoneInfo(zone))


def cases(samples: Iterable[Sample], *commands: str) -> List[Any]:
    return [
        pytest.param(sample, output, id=f"{sample}-{output}") for sample in samples for output in sample.find(*commands)
    ]


def letters(records: Iterable[Any]) -> Dict[str, int]:
    return dict(Counter(record.native_state for record in records))


def letters_by(records: Iterable[Any], key: str) -> Dict[str, Dict[str, int]]:
    counts: Dict[str, Counter[str]] = {}
    for record in records:
        counts.setdefault(getattr(record, key), Counter())[record.native_state] += 1
    return {name: dict(counter) for name, counter in counts.items()}


def sums(jobs: Iterable[Job], key: Callable[[Job], str], amount: Callable[[Job], int]) -> Dict[str, int]:
    totals: Counter[str] = Counter()
    for job in jobs:
        if job.state in HOLDS_CORES and amount(job):
            totals[key(job)] += amount(job)
    return dict(totals)


def records(parsed: ParsedJobs) -> List[Any]:
    return [*parsed.jobs, *parsed.arrays]


def check_clean(parsed: Any) -> None:
    """Nothing was left out; the only thing worth a word is a record that somebody typed into an environment."""
    assert parsed.complete
    assert all("156.pbs01" in warning.source for warning in parsed.warnings), parsed.warnings


def test_every_sample_has_outputs_to_compare() -> None:
    assert len(WHOLE) == 6
    assert len(cases(WHOLE, *WITH_SUBJOBS)) > 15
    assert len(SERIES.outputs) == 72


@pytest.mark.parametrize("listing", ["qstat -t -f", "qstat -t -f -F json", "qstat -f -w"])
def test_a_server_without_jobs_is_an_empty_listing(listing: str) -> None:
    empty = load_sample("openpbs-23.06.06/empty")
    outputs = empty.find(listing)
    assert outputs
    for output in outputs:
        assert parse(output) == ParsedJobs()


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *WITHOUT_SUBJOBS))
def test_jobs_without_subjobs(sample: Sample, output: Output) -> None:
    true, parsed = FACTS[sample.name], parse(output)
    check_clean(parsed)
    listed = records(parsed)
    assert len(listed) == true["jobs_total"]
    assert letters(listed) == true["jobs_by_state"]
    assert letters_by(listed, "user") == true["jobs_by_user_state"]
    assert dict(Counter(record.queue for record in listed)) == true["jobs_by_queue"]
    assert sorted(array.id for array in parsed.arrays) == sorted(true["array_parents"])


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *WITH_SUBJOBS))
def test_jobs_with_subjobs(sample: Sample, output: Output) -> None:
    true, parsed = FACTS[sample.name], parse(output)
    check_clean(parsed)
    assert len(records(parsed)) == true["expanded_total"]
    assert letters(parsed.jobs) == true["expanded_without_array_parents_by_state"]
    assert letters_by(parsed.jobs, "user") == true["expanded_without_array_parents_by_user_state"]
    assert sorted(array.id for array in parsed.arrays) == sorted(true["array_parents"])
    assert sum(job.cores for job in parsed.jobs if job.state in HOLDS_CORES) == true["cores_in_use_total"]
    assert sums(parsed.jobs, lambda job: job.user, lambda job: job.cores) == true["cores_in_use_by_user"]
    assert sums(parsed.jobs, lambda job: job.queue, lambda job: job.cores) == true["cores_in_use_by_queue"]
    assert sums(parsed.jobs, lambda job: job.user, lambda job: job.gpus) == true["gpus_in_use_by_user"]
    subjobs = Counter(job.array_id for job in parsed.jobs if job.array_id)
    assert {array.id: array.total for array in parsed.arrays} == dict(subjobs)


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *WITH_SUBJOBS))
def test_each_job(sample: Sample, output: Output) -> None:
    parsed = parse(output)
    seen_by_user = sample.scenario == "mixed-as-user"
    jobs: Dict[str, Any] = {record.id: record for record in records(parsed)}
    for true in FACTS[sample.name].get("jobs", []):
        job = jobs[true["id"]]
        assert (job.name, job.user, job.queue, job.native_state) == tuple(
            true[key] for key in ("name", "user", "queue", "state")
        )
        if true["array_parent"]:
            assert isinstance(job, Array)
            continue
        assert job.state is OPENPBS_JOB_STATES[true["state"]]
        assert (job.cores, job.nodes, job.gpus) == (true["ncpus"], int(true["nodect"]), true["ngpus"])
        assert job.comment == true["comment"]
        assert job.account == true["account"]
        assert job.hold == (None if true["hold"] in (None, "n") else true["hold"])
        assert job.group == (None if seen_by_user else true["group"])
        if job.state in HOLDS_CORES:
            assert sum(job.hosts.values()) == true["ncpus"]
            assert all(f"{host}:" in true["exec_vnode"] for host in job.hosts)
        else:
            assert job.hosts == {}
    for job in parsed.jobs:
        assert job.submitted_at is not None
        if job.state in IS_PENDING:
            assert (job.started_at, job.ended_at, job.exit_status) == (None, None, None)
        elif job.state is not JobState.FINISHED:
            assert job.submitted_at <= job.started_at <= output.taken_at
            assert job.ended_at is None


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *WITH_HISTORY))
def test_jobs_with_history(sample: Sample, output: Output) -> None:
    true, parsed = FACTS[sample.name], parse(output)
    check_clean(parsed)
    assert letters(records(parsed)) == true["with_history_by_state"]
    for job in parsed.jobs:
        if job.state is JobState.FINISHED and job.started_at is not None:
            assert job.started_at <= job.ended_at <= output.taken_at
            assert job.exit_status is not None


@pytest.mark.parametrize("output", [pytest.param(output, id=str(output)) for output in OWN_JOBS.find("qstat -f", "qstat -t -f", "qstat -f -F json")])  # fmt: skip
def test_only_ones_own_jobs(output: Output) -> None:
    assert sorted(record.id for record in records(parse(output))) == sorted(FACTS[OWN_JOBS.name]["jobs_of_this_user"])


@pytest.mark.parametrize("output", [pytest.param(output, id=str(output)) for output in SERIES.find(*WITH_SUBJOBS, *WITHOUT_SUBJOBS)])  # fmt: skip
def test_jobs_poll_by_poll(output: Output) -> None:
    true, parsed = FACTS[SERIES.name]["polls"][output.poll], parse(output)
    check_clean(parsed)
    moving = set(true["changed_while_polling"])
    listed = {record.id: record.native_state for record in records(parsed) if record.id not in moving}
    known = {name: state for name, state in true["states"].items() if name not in moving}
    if "-t" in output.command:
        assert {name: listed.get(name) for name in known} == known
        if not moving:
            assert letters(parsed.jobs) == true["expanded_without_array_parents_by_state"]
            assert sums(parsed.jobs, lambda job: job.user, lambda job: job.cores) == true["cores_in_use_by_user"]
    else:
        assert {name: state for name, state in listed.items() if name in known} == {
            name: state for name, state in known.items() if "[" not in name or "[]" in name
        }
        if not moving:
            assert letters(records(parsed)) == true["jobs_by_state"]
            assert dict(Counter(record.user for record in records(parsed))) == true["jobs_by_user"]


@pytest.mark.parametrize("output", [pytest.param(output, id=str(output)) for output in SERIES.find(*NODES, *HOSTS)])
def test_nodes_poll_by_poll(output: Output) -> None:
    true, parsed = FACTS[SERIES.name]["polls"][output.poll], parse(output)
    if output.command in NODES and not true["vnodes_changed_while_polling"]:
        assert letters(parsed.nodes) == true["vnodes_by_state"]
        if not true["changed_while_polling"]:
            assert sum(node.cores_used or 0 for node in parsed.nodes) == true["cores_assigned_total_on_vnodes"]
    assert len({node.name for node in parsed.nodes}) == (58 if output.command in NODES else 46)


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *NODES))
def test_nodes(sample: Sample, output: Output) -> None:
    true, nodes = FACTS[sample.name], parse(output).nodes
    check_clean(parse(output))
    assert {node.name: node.native_state for node in nodes} == true["vnode_states"]
    assert len(nodes) == true["vnodes_total"]
    assert {node.name: node.comment for node in nodes if node.comment} == true["vnode_comments"]
    assert sum(node.cores or 0 for node in nodes) == true["cores_available_total"]
    assert sum(node.cores_used or 0 for node in nodes) == true["cores_assigned_total_on_vnodes"]
    assert sum(node.gpus or 0 for node in nodes) == true["gpus_available_total"]
    assert sum(node.gpus_used or 0 for node in nodes) == true["gpus_assigned_total"]
    for node in nodes:
        words = node.native_state.split(",")
        assert (node.state is NodeState.DOWN) == bool({"down", "Stale", "unresolvable"} & set(words))
        if words == ["free"]:
            assert node.state is (NodeState.PARTIAL if node.cores_used else NodeState.FREE)
        assert len(set(node.jobs)) == len(node.jobs)
    check_jobs_on(nodes, sample)


def check_jobs_on(nodes: List[Node], sample: Sample) -> None:
    """The jobs of a node are those whose hosts name it; a suspended job keeps its place, an exiting one may have left."""
    on_nodes = {(job, node.name) for node in nodes for job in node.jobs}
    for output in sample.find(*WITH_SUBJOBS)[:1]:
        jobs = parse(output).jobs
        running = {(job.id, host) for job in jobs if job.state is JobState.RUNNING for host in job.hosts}
        assert running <= on_nodes
        may_stay = {job.id for job in jobs if job.state in (JobState.SUSPENDED, JobState.EXITING)}
        assert {job for job, _ in on_nodes - running} <= may_stay


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *HOSTS))
def test_hosts_with_merged_vnodes(sample: Sample, output: Output) -> None:
    true, parsed = FACTS[sample.name], parse(output)
    assert len(parsed.nodes) == true["hosts_total"]
    assert sum(node.cores or 0 for node in parsed.nodes) == true["cores_available_total"]
    merged = [node for node in parsed.nodes if node.native_state == "<various>"]
    assert all(node.state is NodeState.UNKNOWN for node in merged)
    assert len(parsed.warnings) == len(merged)


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *QUEUES))
def test_queues(sample: Sample, output: Output) -> None:
    true: Dict[str, Any] = FACTS[sample.name]["queues"]
    parsed: ParsedQueues = parse(output)
    check_clean(parsed)
    assert [queue.name for queue in parsed.queues] == list(true)
    words = {"Queued": "queued", "Held": "held", "Waiting": "waiting", "Running": "running", "Exiting": "exiting"}
    for queue in parsed.queues:
        said = true[queue.name]
        assert queue.type == {"Execution": "execution", "Route": "routing"}[said["queue_type"]]
        assert (queue.enabled, queue.started) == (said["enabled"] == "True", said["started"] == "True")
        counts = dict(pair.split(":") for pair in said["state_count"].split())
        assert {word: queue.jobs[state] for word, state in words.items()} == {word: int(counts[word]) for word in words}
    assert any(queue.max_walltime_seconds == parse_seconds("240:00:00") for queue in parsed.queues)
    assert any(queue.priority == 200 for queue in parsed.queues)


def numbers_of(limits: Dict[str, str]) -> Dict[str, str]:
    """Without whom a queue takes jobs of."""
    return {name: text for name, text in limits.items() if not name.startswith("acl_")}


@pytest.mark.parametrize("output", [pytest.param(output, id=str(output)) for output in load_sample("openpbs-23.06.06/mixed").find(*QUEUES)])  # fmt: skip
def test_limits_are_those_that_were_set(output: Output) -> None:
    true: Dict[str, Dict[str, str]] = FACTS["openpbs-23.06.06/mixed"]["queue_limits"]
    limits = {queue.name: queue.limits for queue in parse(output).queues}
    assert {name: numbers_of(limits[name]) for name in true} == true
    assert sum(", " in text for some in true.values() for text in some.values()) == 2  # told twice
    # The server sets those of a reservation's queue itself, and lets only its owners in.
    assert numbers_of(limits["R151"]) == {"resources_max.ncpus": "48", "resources_available.ncpus": "48"}
    assert {name for name, told in limits.items() if "acl_user_enable" in told} == {"R151", "R152"}


RESERVATION_STATES = {"2": "confirmed", "5": "running"}


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, "pbs_rstat -f"))
def test_reservations(sample: Sample, output: Output) -> None:
    true: List[Dict[str, Any]] = FACTS[sample.name]["reservations"]
    parsed: ParsedReservations = parse(output)
    check_clean(parsed)
    assert [one.id for one in parsed.reservations] == [said["id"] for said in true]
    (nodes,) = (parse(listing).nodes for listing in sample.find("pbsnodes -av", newer=False))
    for one, said in zip(parsed.reservations, true):
        assert (one.name, one.queue, one.cores) == (said["name"], said["queue"], said["ncpus"])
        assert one.owner == said["owner"].split("@")[0]
        assert one.state == RESERVATION_STATES[said["state"]]
        assert (one.starts_at, one.ends_at) == (said["start"], said["end"])
        assert all(f"({node}:" in said["resv_nodes"] for node in one.nodes)
        assert len(set(one.nodes)) == len(one.nodes) > 0
        assert set(one.nodes) <= {node.name for node in nodes}
        reserved = {node.name for node in nodes if node.state is NodeState.RESERVED}
        assert one.state != "running" or set(one.nodes) == reserved
        assert one.comment is None


def test_there_are_reservations_to_compare() -> None:
    counts = [len(parse(output).reservations) for sample in WHOLE for output in sample.find("pbs_rstat -f")]
    assert sorted(counts) == [0, 2, 2, 2]


def test_reservations_are_told_in_the_clients_zone() -> None:
    raw = load_sample("openpbs-23.06.06/mixed").output("pbs_rstat -f").read()
    utc, athens = (openpbs_reservations.parse_reservations(raw, ZoneInfo(zone)) for zone in ("UTC", "Europe/Athens"))
    for one, two in zip(utc.reservations, athens.reservations):
        assert (one.starts_at - two.starts_at, one.ends_at - two.ends_at) == (7200, 7200)


@pytest.mark.parametrize(("sample", "output"), cases(WHOLE, *SERVER))
def test_the_server(sample: Sample, output: Output) -> None:
    assert (parse(output).name, parse(output).version) == (FACTS[sample.name]["server"], sample.manifest["version"])


PAIRS = [
    pytest.param(sample, text, other, id=f"{sample}-{text}-{other}")
    for sample in (*WHOLE, OWN_JOBS)
    for command in (*WITHOUT_SUBJOBS, *WITH_SUBJOBS, *WITH_HISTORY, *NODES, *HOSTS, *QUEUES)
    for text in sample.find(command)
    for other in sample.find(f"{command} -F json".replace(" -w", ""))
]


@pytest.mark.parametrize(("sample", "text", "other"), PAIRS)
def test_text_and_json_say_the_same(sample: Sample, text: Output, other: Output) -> None:
    one, two = parse(text), parse(other)
    if hasattr(one, "jobs"):
        assert one.arrays == two.arrays
        # What is used goes on growing between the two commands.
        one, two = ([_without_usage(job) for job in parsed.jobs] for parsed in (one, two))
        assert [job.id for job in one] == [job.id for job in two]
        assert one == two
    else:
        assert getattr(one, "nodes", None) == getattr(two, "nodes", None)
        assert getattr(one, "queues", None) == getattr(two, "queues", None)


def _without_usage(job: Job) -> Job:
    return replace(job, walltime_used_seconds=None, cpu_used_seconds=None, memory_used_bytes=None)


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("good-and-unknown-qstat-f.txt", ["70.pbs01"]),
        ("good-and-unknown-qstat-f-json.json", ["70.pbs01"]),
        ("finished-job-qstat-x-f.txt", ["44.pbs01"]),
        ("finished-job-qstat-f.txt", []),
        ("finished-job-qstat-f-json.json", []),
        ("unknown-job-qstat-f.txt", []),
        ("unknown-job-qstat-f-json.json", []),
        ("array-parent.txt", ["134[].pbs01"]),
        ("subjob.txt", ["134[2].pbs01"]),
        ("subjob-json.json", ["134[2].pbs01"]),
        ("queued-subjob.txt", ["134[150].pbs01"]),
        ("hung-server-qstat-f.txt", []),
    ],
)
def test_commands_that_half_failed(name: str, listed: List[str]) -> None:
    parsed = parse(next(output for output in ERRORS.outputs if output.path.name == name))
    check_clean(parsed)
    assert [record.id for record in records(parsed)] == listed


def test_an_unknown_node_is_told() -> None:
    parsed = parse(next(output for output in ERRORS.outputs if output.path.name == "unknown-node-json.json"))
    assert parsed.nodes == []
    assert not parsed.complete
    assert "Unknown node" in parsed.warnings[0].message


@pytest.mark.parametrize("output", [pytest.param(output, id=output.path.name) for output in DOWN.outputs])
def test_a_server_that_is_down(output: Output) -> None:
    """The exit code says that it failed. What was printed is no listing, or has nothing in it."""
    assert output.exit_code != 0
    raw = output.read()
    if "json" in output.command and not raw:
        with pytest.raises(ParseError, match="got 0 bytes"):
            parse(output)
    else:
        empty = (ParsedJobs(), ParsedNodes(), ParsedQueues(), ParsedServer(), ParsedReservations())
        assert parse(output) in empty


def test_another_commands_output_is_refused() -> None:
    mixed, zone = load_sample("openpbs-23.06.06/mixed"), ZoneInfo("UTC")
    outputs = {command: mixed.output(command).read() for command in ("qstat -f", "pbsnodes -av", "qstat -Q -f")}
    for command, raw in outputs.items():
        for other, read in (
            ("qstat -f", lambda raw: openpbs_text.parse_jobs(raw, zone)),
            ("qstat -Q -f", openpbs_text.parse_queues),
            ("qstat -B -f", openpbs_text.parse_server),
        ):
            if other != command:
                with pytest.raises(ParseError, match="expected"):
                    read(raw)
    for command in ("pbsnodes -av -F json", "qstat -Q -f -F json"):
        with pytest.raises(ParseError, match="'Jobs'"):
            openpbs_json.parse_jobs(mixed.output(command).read(), zone)
