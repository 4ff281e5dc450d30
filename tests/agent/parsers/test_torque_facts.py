"""Every recorded output of TORQUE, in every format, against what was true when it was recorded."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Callable, Dict, List, Set
from zoneinfo import ZoneInfo

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, torque_text, torque_xml
from agent.report import Job
from agent.states import HOLDS_CORES, IS_PENDING, TORQUE_JOB_STATES, JobState, NodeState
from tests.agent.samples import Output, Sample, load_sample, load_samples

WITH_TASKS = ("qstat -t -x", "qstat -t -f -1", "qstat -t -f")
WITHOUT_TASKS = ("qstat -x", "qstat -f -1", "qstat -f")
NODES = ("pbsnodes -x", "pbsnodes -a")

SAMPLES = [sample for sample in load_samples("torque") if sample.scenario != "server-down"]
ONCE = [sample for sample in SAMPLES if sample.scenario != "timeseries"]
SERIES = load_sample("torque-6.1.3.h5/timeseries")


def parse_jobs(output: Output) -> ParsedJobs:
    return _parsed("parse_jobs", output.path)


def parse_nodes(output: Output) -> ParsedNodes:
    return _parsed("parse_nodes", output.path)


@cache
def _parsed(name: str, path: Path) -> Any:
    output = next(output for sample in load_samples("torque") for output in sample.outputs if output.path == path)
    parser = torque_xml if "-x" in output.command.split() else torque_text
    return getattr(parser, name)(output.read(), ZoneInfo(output.timezone))


def cases(samples: List[Sample], *commands: str) -> List[Any]:
    return [
        pytest.param(sample, output, id=f"{sample}-{output}-{output.path.stem}")
        for sample in samples
        for output in sample.find(*commands)
    ]


def count(jobs: List[Job], key: Callable[[Job], str]) -> Dict[str, Dict[str, int]]:
    counts: Dict[str, Counter[str]] = {}
    for job in jobs:
        counts.setdefault(key(job), Counter())[job.native_state] += 1
    return {name: dict(states) for name, states in counts.items()}


def cores(jobs: List[Job], letter: str, key: Callable[[Job], str]) -> Dict[str, int]:
    sums: Counter[str] = Counter()
    for job in jobs:
        if job.native_state == letter:
            sums[key(job)] += job.cores
    return dict(sums)


def check_counts(jobs: List[Job], facts: Dict[str, Any]) -> None:
    assert dict(Counter(job.native_state for job in jobs)) == facts["qselect_by_state"]
    filled = {name: states for name, states in facts["qselect_by_user_state"].items() if states}
    assert count(jobs, lambda job: job.user) == filled
    filled = {name: states for name, states in facts["qselect_by_queue_state"].items() if states}
    assert count(jobs, lambda job: job.queue) == filled


def check_cores(jobs: List[Job], facts: Dict[str, Any]) -> None:
    for letter, name in (("R", "running"), ("E", "exiting"), ("S", "suspended")):
        for key, by in (("user", lambda job: job.user), ("queue", lambda job: job.queue)):
            assert cores(jobs, letter, by) == facts[f"cores_{name}_by_{key}"], (letter, key)
        assert sum(job.cores for job in jobs if job.native_state == letter) == facts[f"cores_{name}_total"]
    in_use = sum(job.cores for job in jobs if job.state in HOLDS_CORES)
    assert in_use == facts["cores_running_total"] + facts["cores_exiting_total"]
    assert in_use == sum(sum(job.hosts.values()) for job in jobs)


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, *WITH_TASKS))
def test_jobs_and_cores_are_those_of_the_facts(sample: Sample, output: Output) -> None:
    facts, parsed = sample.facts, parse_jobs(output)
    assert parsed.complete
    assert parsed.warnings == []
    assert len(parsed.jobs) == facts["qselect_total"]
    assert len(parsed.arrays) == facts["array_templates"]
    assert sum(job.array_id is not None for job in parsed.jobs) == facts["array_tasks"]
    check_counts(parsed.jobs, facts)
    check_cores(parsed.jobs, facts)


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, *WITH_TASKS))
def test_every_id_has_the_state_of_the_facts(sample: Sample, output: Output) -> None:
    facts, parsed = sample.facts, parse_jobs(output)
    by_state: Dict[str, List[str]] = {}
    for job in parsed.jobs:
        assert job.state is TORQUE_JOB_STATES[job.native_state]
        by_state.setdefault(job.native_state, []).append(job.id)
    for letter, expected in facts["job_ids_by_state"].items():
        if isinstance(expected, dict):  # the large sample names only the ends of the list
            assert len(by_state[letter]) == expected["count"]
            assert {expected["first"], expected["last"]} <= set(by_state[letter])
        else:
            assert set(by_state[letter]) == set(expected)
    assert set(by_state) == set(facts["job_ids_by_state"])


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, *WITHOUT_TASKS))
def test_without_tasks_plain_jobs_are_the_same_and_templates_are_arrays(sample: Sample, output: Output) -> None:
    with_tasks = parse_jobs(sample.output("qstat -t -x"))
    parsed = parse_jobs(output)
    assert {job.id for job in parsed.jobs} == {job.id for job in with_tasks.jobs if job.array_id is None}
    assert {array.id for array in parsed.arrays} == {job.array_id for job in with_tasks.jobs if job.array_id}
    for array in parsed.arrays:
        tasks = [job for job in with_tasks.jobs if job.array_id == array.id]
        # The server makes an array's tasks piece by piece: 300 of the 400 of one were there.
        assert (array.total, len(tasks)) in [(len(tasks), len(tasks)), (400, 300)]
        assert {(array.user, array.queue)} == {(task.user, task.queue) for task in tasks}


@pytest.mark.parametrize(
    ("sample", "output"),
    [case for case in cases(ONCE, *WITH_TASKS, *WITHOUT_TASKS) if "-x" not in case.values[1].command],
)
def test_text_says_what_xml_says(sample: Sample, output: Output) -> None:
    # The same moment within seconds: only the used times may have moved on; another client's zone changes nothing,
    # and an ordinary user's listing lacks egroup in 2.5.
    xml = parse_jobs(sample.output("qstat -t -x" if "-t" in output.command else "qstat -x"))
    text = parse_jobs(output)
    hidden = sample.name.startswith("torque-2.5") and output.more.get("run_as") == "erin"

    def comparable(job: Job) -> Job:
        return replace(job, walltime_used_seconds=None, cpu_used_seconds=None, group=None if hidden else job.group)

    assert [comparable(job) for job in text.jobs] == [comparable(job) for job in xml.jobs]
    assert text.arrays == xml.arrays
    moved = sum(a.walltime_used_seconds != b.walltime_used_seconds for a, b in zip(text.jobs, xml.jobs))
    assert moved <= len(xml.jobs) // 10


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.scenario == "mixed"], ids=str)
def test_the_client_in_another_zone_prints_other_times_and_means_the_same(sample: Sample) -> None:
    here, athens = (
        next(output for output in sample.find("qstat -f") if (output.timezone == "Europe/Athens") is elsewhere)
        for elsewhere in (False, True)
    )
    assert here.read() != athens.read()
    told = [(job.id, job.submitted_at, job.started_at, job.ended_at) for job in parse_jobs(here).jobs]
    assert told == [(job.id, job.submitted_at, job.started_at, job.ended_at) for job in parse_jobs(athens).jobs]
    assert sum(job[1] is None for job in told) == 0


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.scenario == "mixed"], ids=str)
def test_jobs_are_those_that_were_submitted(sample: Sample) -> None:
    submissions = json.loads(gzip.decompress((sample.folder / "submissions.json.gz").read_bytes()))
    jobs = {job.id: job for job in parse_jobs(sample.output("qstat -t -x")).jobs}
    compared = 0
    for submitted in submissions:
        for job in [job for job in jobs.values() if submitted["id"] in (job.id, job.array_id)]:
            name = f"{submitted['name']}-{job.array_index}" if job.array_id else submitted["name"]
            assert job.name == (name or job.name)
            assert job.user == submitted["user"]
            if job.queue == "route":  # waiting for its time or held, in the routing queue: it has no egroup yet
                assert (job.group, job.state in IS_PENDING) == (None, True)
            else:
                assert (job.queue, job.group) == (submitted["queue"], submitted["group"])
            if "ncpus" not in job.name and job.name != "Lreq":  # these ask for more than the one slot they get
                assert (job.cores, job.gpus) == (submitted["cores"], submitted["gpus"]), job.id
            compared += 1
    assert compared >= 0.9 * len(jobs)


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.scenario == "mixed"], ids=str)
def test_what_a_record_tells_beside_the_counts(sample: Sample) -> None:
    facts, jobs = sample.facts, parse_jobs(sample.output("qstat -t -x")).jobs
    gpus: Counter[str] = Counter(dict.fromkeys(facts["gpus_running_by_user"], 0))
    for job in jobs:
        gpus[job.user] += job.gpus if job.state is JobState.RUNNING else 0
    assert dict(gpus) == facts["gpus_running_by_user"]

    by_name = {job.name: job for job in jobs}
    assert by_name["memhog"].memory_bytes == 4 << 30
    assert by_name["assembly0"].memory_bytes == 900 << 30
    assert by_name["a<b>&c"].state is JobState.RUNNING
    assert by_name["held_uos"].hold == "sou"
    assert by_name["stage3"].depends_on is not None
    assert by_name["stage3"].depends_on.startswith("afterany:")
    ended = [job for job in jobs if job.state is JobState.FINISHED]
    assert {job.exit_status for job in ended} >= {0, 1, 42, 127, 271}
    for job in jobs:
        assert job.submitted_at is not None
        assert (job.ended_at is not None) is (job in ended)
        assert job.started_at is None or job.started_at >= job.submitted_at
        assert job.ended_at is None or job.ended_at >= (job.started_at or job.submitted_at)
        assert bool(job.hosts) is (job.state in HOLDS_CORES)
        assert (job.started_at is not None) or job.state not in HOLDS_CORES
        assert job.comment is None or job.comment.strip()
        assert job.walltime_seconds


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, *NODES))
def test_nodes_are_those_of_the_facts(sample: Sample, output: Output) -> None:
    facts, parsed = sample.facts, parse_nodes(output)
    assert parsed.complete
    assert parsed.warnings == []
    assert {node.name: node.native_state for node in parsed.nodes} == facts["node_states"]
    assert dict(Counter(node.native_state for node in parsed.nodes)) == facts["nodes_by_state"]
    assert len(parsed.nodes) == facts["nodes_total"]


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, *NODES))
def test_used_slots_of_nodes_are_those_of_the_jobs(sample: Sample, output: Output) -> None:
    used: Counter[str] = Counter()
    there: Dict[str, Set[str]] = {}
    for job in parse_jobs(sample.output("qstat -t -x")).jobs:
        for host, number in job.hosts.items():
            used[host] += number
            there.setdefault(host, set()).add(job.id)
    nodes = parse_nodes(output).nodes
    assert {node.name: node.cores_used for node in nodes} == {node.name: used[node.name] for node in nodes}
    assert {node.name: set(node.jobs) for node in nodes} == {node.name: there.get(node.name, set()) for node in nodes}
    assert set(used) <= {node.name for node in nodes}
    assert all(len(set(node.jobs)) == len(node.jobs) for node in nodes)


@pytest.mark.parametrize("sample", [sample for sample in ONCE if sample.scenario in ("mixed", "large")], ids=str)
def test_the_accounting_log_agrees_on_cores_per_user(sample: Sample) -> None:
    # The log closes a job when it ends: suspended ones are in it, exiting ones in 6.1's only.
    letters = "RS" if sample.name.startswith("torque-2.5") else "RES"
    sums: Counter[str] = Counter()
    for job in parse_jobs(sample.output("qstat -t -x")).jobs:
        if job.native_state in letters:
            sums[job.user] += job.cores
    assert dict(sums) == sample.facts["accounting"]["cores_by_user"]


@pytest.mark.parametrize("sample", ONCE, ids=str)
def test_both_forms_of_pbsnodes_say_the_same(sample: Sample) -> None:
    xml, text = (parse_nodes(sample.output(command)).nodes for command in NODES)
    assert text == xml
    assert len(xml) == sample.facts["nodes_total"]


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.scenario == "mixed"], ids=str)
def test_what_a_node_tells_beside_its_state(sample: Sample) -> None:
    facts = sample.facts
    nodes = {node.name: node for node in parse_nodes(sample.output("pbsnodes -x")).nodes}
    assert nodes["wn010"].comment == 'RMA 2026-114: DIMM B3 <replaced> & waiting, see "ticket" #4411'
    assert nodes["gpu01"].gpus == 4
    assert nodes["wn001"].gpus == 0
    assert nodes["gpu01"].properties == ("gpu", "v100")
    assert (nodes["wn001"].cores, nodes["compute-0-1"].cores) == (24, 48)
    assert nodes["wn001"].memory_bytes == 128 << 30
    assert nodes["wn014"].load is not None
    assert nodes["wn014"].load > 50
    assert nodes["wn014"].state is NodeState.BUSY
    assert nodes["wn011"].state is NodeState.OFFLINE
    assert nodes["wn035"].state is NodeState.DOWN
    for name in facts["dead_nodes"]:
        assert nodes[name].load is None
        assert nodes[name].state is NodeState.DOWN
    for name in facts["live_nodes"]:
        load = nodes[name].load
        assert load is not None
        assert 0 <= load < 1000
    for node in nodes.values():
        if node.native_state == "free":
            assert node.state is (NodeState.PARTIAL if node.cores_used else NodeState.FREE)


def test_a_health_check_s_message_is_a_comment_and_forges_no_figure() -> None:
    nodes = {n.name: n for n in parse_nodes(load_sample("torque-6.1.3.h5/mixed").output("pbsnodes -a")).nodes}
    assert nodes["wn013"].comment == "ERROR /scratch is 97% full, ecc errors=12"
    assert nodes["wn013"].load == 0.04
    assert nodes["wn013"].state is NodeState.DOWN  # the status says state=free


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, "qstat -Q -f"))
def test_queues_are_those_of_the_facts(sample: Sample, output: Output) -> None:
    facts, parsed = sample.facts, torque_text.parse_queues(output.read())
    queues = {queue.name: queue for queue in parsed.queues}
    assert parsed.complete
    assert parsed.warnings == []
    assert set(queues) == set(facts["qselect_by_queue_state"])
    assert (queues["route"].type, queues["batch"].type) == ("routing", "execution")
    assert (queues["retired"].enabled, queues["retired"].started) == (False, False)
    assert (queues["maint"].enabled, queues["maint"].started) == (True, False)
    assert queues["batch"].max_walltime_seconds == 72 * 3600
    assert (queues["short"].priority, queues["route"].priority) == (80, None)
    if "queue_limits" in facts:
        limits = {name: dict(queue.limits) for name, queue in queues.items()}
        only = {"bigmem": limits["bigmem"].pop("acl_user_enable"), "gpu": limits["gpu"].pop("acl_group_enable")}
        assert (limits, only) == (facts["queue_limits"], {"bigmem": "True", "gpu": "True"})


@pytest.mark.parametrize(("sample", "output"), cases(load_samples("torque-6.1.3.h5"), "qstat -Q -f")[:3])
def test_queues_count_what_the_facts_count(sample: Sample, output: Output) -> None:
    queues = {queue.name: queue for queue in torque_text.parse_queues(output.read()).queues}
    for name, states in sample.facts["qselect_by_queue_state"].items():
        expected: Counter[str] = Counter()
        for letter, number in states.items():
            # TORQUE counts suspended jobs as running
            expected[TORQUE_JOB_STATES["R" if letter == "S" else letter].value] += number
        assert {state: number for state, number in queues[name].jobs.items() if number} == dict(expected), name


def test_a_counter_below_zero_is_not_told() -> None:
    # The counters of 2.5 drift: `Queued:-1` beside one queued job.
    raw = load_sample("torque-2.5.13/mixed").output("qstat -Q -f").read()
    short = next(queue for queue in torque_text.parse_queues(raw).queues if queue.name == "short")
    assert b"Queued:-1" in raw
    assert "queued" not in short.jobs
    assert short.jobs["held"] == 19


@pytest.mark.parametrize(("sample", "output"), cases(ONCE, "qstat -B -f"))
def test_the_server_tells_its_name_and_version(sample: Sample, output: Output) -> None:
    server = torque_text.parse_server(output.read())
    assert (server.name, server.version) == (sample.facts["server"], sample.facts["version"])


POLLS = [pytest.param(number, facts, id=f"poll{number:02d}") for number, facts in enumerate(SERIES.facts["polls"])]


@pytest.mark.parametrize(("poll", "facts"), POLLS)
def test_jobs_poll_by_poll(poll: int, facts: Dict[str, Any]) -> None:
    parsed = parse_jobs(SERIES.output("qstat -t -f -1", poll=poll))
    assert parsed.complete
    assert parsed.warnings == []
    # The facts were counted just before and just after: where both agree the listing must, else it lies between.
    letters = Counter(job.native_state for job in parsed.jobs)
    for letter in "QRHWEC":  # S is what was left over in the facts, and catches jobs that changed meanwhile
        ends = [at["qselect_by_state"].get(letter, 0) for at in (facts, facts["after"])]
        assert min(ends) <= letters[letter] <= max(ends), letter
    assert cores(parsed.jobs, "S", lambda job: job.user) == {"alice": 8, "bob": 8, "dave": 1}
    running = sum(job.cores for job in parsed.jobs if job.native_state == "R")
    ends = [at["cores_running_total"] for at in (facts, facts["after"])]
    assert min(ends) <= running <= max(ends)
    if facts["stable"]["cores_running_by_user"]:
        assert cores(parsed.jobs, "R", lambda job: job.user) == facts["cores_running_by_user"]
        assert cores(parsed.jobs, "R", lambda job: job.queue) == facts["cores_running_by_queue"]
    if facts["stable"]["qselect_by_state"]:
        check_counts(parsed.jobs, facts)
        assert sum(job.array_id is not None for job in parsed.jobs) == facts["array_tasks"]
    xml = parse_jobs(SERIES.output("qstat -x", poll=poll))
    assert {job.id for job in xml.jobs} == {job.id for job in parsed.jobs if job.array_id is None}


@pytest.mark.parametrize(("poll", "facts"), POLLS)
def test_nodes_poll_by_poll(poll: int, facts: Dict[str, Any]) -> None:
    parsed = parse_nodes(SERIES.output("pbsnodes -a", poll=poll))
    states = Counter(node.native_state for node in parsed.nodes)
    assert parsed.complete
    assert parsed.warnings == []
    if facts["stable"]["cores_running_by_user"] or poll != 6:
        assert dict(states) == facts["nodes_by_state"]
    else:  # 17 jobs started while this one was taken
        assert sum(states.values()) == sum(facts["nodes_by_state"].values())
        assert states["free"] < facts["nodes_by_state"]["free"]


def test_a_series_loses_no_job_before_it_has_ended() -> None:
    before: Dict[str, Job] = {}
    for poll in range(len(POLLS)):
        now = {job.id: job for job in parse_jobs(SERIES.output("qstat -t -f -1", poll=poll)).jobs}
        for job in before.values():
            later = now.get(job.id)
            if later is None:  # it is no longer kept, an hour after its end
                assert job.state is JobState.FINISHED
            else:
                assert job.state is not JobState.FINISHED or later.state is JobState.FINISHED
                assert later.submitted_at == job.submitted_at
        before = now
    assert len(before) > 400


@pytest.mark.parametrize(
    "output", load_sample("torque-6.1.3.h5/server-down").outputs, ids=lambda output: output.path.stem
)
def test_a_server_that_is_away_prints_no_job(output: Output) -> None:
    # An empty output is an empty listing here: that it is none is what the exit code says.
    assert output.exit_code != 0 or output.command.endswith("-B")
    if output.command.startswith("qstat -B -f"):
        with pytest.raises(ParseError, match="expected a server"):
            torque_text.parse_server(output.read())
    elif output.command.startswith("pbsnodes"):
        assert parse_nodes(output) == ParsedNodes()
    elif output.command in WITHOUT_TASKS:
        assert parse_jobs(output) == ParsedJobs()
    elif output.command == "qstat -f -1 999999 48565.tq01.grid.example":
        assert [job.id for job in parse_jobs(output).jobs] == ["48565.tq01.grid.example"]
