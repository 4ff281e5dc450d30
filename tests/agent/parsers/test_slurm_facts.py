"""Every recorded output of Slurm, of the torque wrappers and in its own JSON, against what was true at the time."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Callable, Dict, List, Tuple
from zoneinfo import ZoneInfo

import pytest

from agent.errors import ParseError
from agent.parsers import ParsedJobs, ParsedNodes, ParsedQueues, slurm_json, slurm_text
from agent.report import Job
from agent.states import HOLDS_CORES, IS_PENDING, SLURM_JOB_STATES, JobState, NodeState
from tests.agent.samples import Sample, load_sample, load_samples

AWAY = [load_sample(f"slurm-22.05.8/{name}") for name in ("controller-down", "controller-hung", "munge-down")]
SERIES = load_samples("slurm-22.05.8/series")
ONCE = [
    sample
    for sample in load_samples("slurm")
    if sample not in SERIES and sample.name not in {away.name for away in AWAY}
]
BUSY = [sample for sample in ONCE if sample.scenario != "empty"]

each_once = pytest.mark.parametrize("sample", ONCE, ids=str)
each_busy = pytest.mark.parametrize("sample", BUSY, ids=str)
each_poll = pytest.mark.parametrize("sample", SERIES, ids=str)


def jobs_of(sample: Sample, command: str) -> ParsedJobs:
    parser = slurm_json if "--json" in command else slurm_text
    return parser.parse_jobs(sample.output(command).read(), ZoneInfo(sample.timezone))


def nodes_of(sample: Sample, command: str) -> ParsedNodes:
    parser = slurm_json if "--json" in command else slurm_text
    return parser.parse_nodes(sample.output(command).read(), ZoneInfo(sample.timezone))


def count(jobs: List[Job], key: Callable[[Job], str]) -> Dict[str, int]:
    return dict(Counter(key(job) for job in jobs))


def cores(jobs: List[Job], words: Tuple[str, ...]) -> Dict[str, int]:
    sums: Counter[str] = Counter()
    for job in jobs:
        if job.native_state in words:
            sums[job.user] += job.cores
    return dict(sums)


def expected_cores(facts: Dict[str, Any], *words: str) -> Dict[str, int]:
    sums: Counter[str] = Counter()
    for word in words:
        sums.update(facts["cores_in_use_by_user"].get(word, {}))
    return dict(sums)


def letters_by(facts: Dict[str, Any], counts: str) -> Dict[str, int]:
    """`alice/RUNNING: 3` and the like, with the wrapper's letters for Slurm's words."""
    letters: Counter[str] = Counter()
    for name, number in facts["jobs"].get(counts, {}).items():
        who, _, word = name.rpartition("/")
        letters[f"{who}/{_LETTERS[word]}"] += number
    return dict(letters)


_LETTERS = {
    "PENDING": "Q",
    "SPECIAL_EXIT": "Q",
    "RUNNING": "R",
    "CONFIGURING": "R",
    "SUSPENDED": "S",
    **dict.fromkeys(("COMPLETING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL"), "C"),
}


@each_once
def test_the_wrapper_s_jobs_are_the_records_of_the_facts(sample: Sample) -> None:
    facts, parsed = sample.facts, jobs_of(sample, "qstat -f")
    jobs = parsed.jobs
    assert parsed.complete
    assert parsed.warnings == []
    assert parsed.arrays == []
    assert len(jobs) == facts["jobs"]["records"]
    assert count(jobs, lambda job: job.native_state) == facts.get("qstat_letters_seen", {})
    assert count(jobs, lambda job: job.user) == facts["jobs"].get("records_by_user", {})
    assert count(jobs, lambda job: job.queue) == facts["jobs"].get("records_by_queue", {})
    assert count(jobs, lambda job: f"{job.user}/{job.native_state}") == letters_by(facts, "records_by_user_state")
    assert count(jobs, lambda job: f"{job.queue}/{job.native_state}") == letters_by(facts, "records_by_queue_state")


@each_once
def test_the_wrapper_s_cores_are_those_of_the_facts_without_completing_jobs(sample: Sample) -> None:
    facts, jobs = sample.facts, jobs_of(sample, "qstat -f").jobs
    # A completing job is C, as a finished one is: its cores cannot be told from none.
    assert cores(jobs, ("R",)) == expected_cores(facts, "RUNNING", "CONFIGURING")
    assert cores(jobs, ("S",)) == expected_cores(facts, "SUSPENDED")
    total = facts["cores_in_use_total"]
    in_use = sum(job.cores for job in jobs if job.state in HOLDS_CORES)
    assert in_use == total.get("RUNNING", 0) + total.get("CONFIGURING", 0)
    assert in_use == sum(sum(job.hosts.values()) for job in jobs)


@each_once
def test_the_json_s_jobs_are_the_tasks_of_the_facts(sample: Sample) -> None:
    facts, parsed = sample.facts, jobs_of(sample, "squeue --json")
    jobs = parsed.jobs
    assert parsed.complete
    assert parsed.warnings == []
    assert len(jobs) == facts["jobs"]["tasks"]
    assert count(jobs, lambda job: job.native_state) == facts["jobs"].get("tasks_by_state", {})
    assert count(jobs, lambda job: f"{job.user}/{job.native_state}") == facts["jobs"].get("tasks_by_user_state", {})
    assert count(jobs, lambda job: f"{job.queue}/{job.native_state}") == facts["jobs"].get("tasks_by_queue_state", {})
    tasks = [job for job in jobs if job.array_id]
    assert count(tasks, lambda job: f"{job.array_id}/{job.native_state}") == facts["jobs"].get("arrays", {})
    waiting = {job.array_id for job in tasks if job.state in IS_PENDING}
    assert {array.id for array in parsed.arrays} == waiting


@each_once
def test_the_json_s_cores_are_those_of_the_facts(sample: Sample) -> None:
    facts, jobs = sample.facts, jobs_of(sample, "squeue --json").jobs
    for word in ("RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED"):
        assert cores(jobs, (word,)) == expected_cores(facts, word)
    held = ("RUNNING", "CONFIGURING", "COMPLETING")
    assert sum(job.cores for job in jobs if job.state in HOLDS_CORES) == sum(
        facts["cores_in_use_total"].get(word, 0) for word in held
    )
    assert all(sum(job.hosts.values()) == (job.cores if job.state in HOLDS_CORES else 0) for job in jobs)


@each_once
def test_the_json_s_comments_are_the_reasons_of_the_facts(sample: Sample) -> None:
    jobs = jobs_of(sample, "squeue --json").jobs
    # The facts count a waiting array once.
    records = {job.array_id or job.id: job for job in jobs if job.native_state == "PENDING"}
    assert count(list(records.values()), lambda job: job.comment or "") == sample.facts["jobs"].get(
        "pending_records_by_reason", {}
    )


@each_busy
def test_both_forms_say_the_same_of_a_job(sample: Sample) -> None:
    text = {job.id: job for job in jobs_of(sample, "qstat -f").jobs}
    json_jobs = jobs_of(sample, "squeue --json").jobs
    ids = numbers(sample)
    compared = 0
    for job in json_jobs:
        number = ids.get(job.id)
        other = text.get(number or "")
        if other is None:
            continue
        compared += 1
        assert (other.name, other.user, other.group, other.queue) == (job.name, job.user, job.group, job.queue)
        assert (other.account, other.priority, other.nodes) == (job.account, job.priority, job.nodes)
        assert (other.cores, other.walltime_seconds) == (job.cores, job.walltime_seconds)
        assert (other.submitted_at, other.started_at) == (job.submitted_at, job.started_at)
        if sample.scenario != "large":  # there the scheduler was making new estimates
            assert other.estimated_start_at == job.estimated_start_at
        if job.native_state == "COMPLETING":  # the wrapper's C
            assert (other.state, job.state) == (JobState.FINISHED, JobState.EXITING)
            assert (other.hosts, sum(job.hosts.values())) == ({}, job.cores)
        else:
            assert other.ended_at == job.ended_at
            assert other.hosts == job.hosts
            # The wrapper's Q with a priority of 0 is held; that another waits for a job or a date it does not tell.
            told = (
                JobState.QUEUED if job.comment in ("Dependency", "BeginTime", "DependencyNeverSatisfied") else job.state
            )
            assert other.state is told
    assert compared >= len(text) - 20


def numbers(sample: Sample) -> Dict[str, str]:
    """Our id of a job -> its number in Slurm, by which the wrapper lists it."""
    found = {}
    for record in json.loads(sample.output("squeue --json").read())["jobs"]:
        array, task = record["array_job_id"], record["array_task_id"]
        found[str(record["job_id"]) if task is None else f"{array}_{task}"] = str(record["job_id"])
    return found


def test_what_only_the_json_tells() -> None:
    jobs = {job.name: job for job in jobs_of(load_sample("slurm-22.05.8/mixed"), "squeue --json").jobs}
    assert (jobs["userheld"].state, jobs["userheld"].hold) == (JobState.HELD, "JobHeldUser")
    assert (jobs["adminheld"].state, jobs["adminheld"].hold) == (JobState.HELD, "JobHeldAdmin")
    assert (jobs["after_fill"].state, jobs["after_fill"].depends_on) == (JobState.HELD, "afterok:41(unfulfilled)")
    assert (jobs["tomorrow"].state, jobs["tomorrow"].hold) == (JobState.WAITING, None)
    assert (jobs["train_resnet"].gpus, jobs["train_bert"].gpus) == (2, 4)
    assert (jobs["train_bert"].cores, jobs["train_bert"].hosts) == (16, {"gpu2": 16})  # 8 cores of two threads
    assert (jobs["gpuwait"].gpus, jobs["gpuwait2"].gpus, jobs["gpuwait2"].nodes) == (4, 4, 2)
    assert jobs["cfd_big"].memory_bytes == 125 << 30
    assert jobs["lammps.in"].memory_bytes == 20000 << 20
    assert (jobs["exit3"].exit_status, jobs["segv"].exit_status) == (3, 256 + 11)
    assert jobs["quick_ok"].exit_status == 0
    assert (jobs["cancelled_pending"].exit_status, jobs["cancelled_pending"].started_at) == (None, None)
    assert jobs["long one"].walltime_seconds is None
    assert jobs["ok"].state is JobState.EXITING
    steps = [job for job in jobs_of(load_sample("slurm-22.05.8/mixed"), "squeue --json").jobs if job.name == "steps"]
    assert [job.array_index for job in steps] == [str(task) for task in range(10, 101, 10)]


def test_names_as_people_write_them() -> None:
    sample = load_sample("slurm-22.05.8/mixed")
    for command in ("qstat -f", "squeue --json"):
        names = {job.name for job in jobs_of(sample, command).jobs}
        assert {"say \"hi\" 'there'", "a=b;c,d", "naïve-日本語-Ω", "<b>&amp;</b>", "100%_%j_$HOME", "a|b\\c"} <= names


def node_facts(facts: Dict[str, Any]) -> Dict[str, Any]:
    each: Dict[str, Any] = facts["nodes"]["each"]
    return each


@each_once
def test_the_wrapper_s_nodes_are_those_of_the_facts(sample: Sample) -> None:
    facts, parsed = sample.facts, nodes_of(sample, "pbsnodes -a")
    assert parsed.complete
    assert parsed.warnings == []
    assert len(parsed.nodes) == facts["nodes"]["count"]
    assert {node.name: node.native_state for node in parsed.nodes} == {
        name: told["state"] for name, told in node_facts(facts).items()
    }
    assert dict(Counter(node.native_state for node in parsed.nodes)) == facts["nodes"]["by_state"]
    assert {node.name: node.cores for node in parsed.nodes} == {
        name: told["cpus_total"] for name, told in node_facts(facts).items()
    }
    for node in parsed.nodes:
        told = node_facts(facts)[node.name]
        assert (node.comment or "none") == told["reason"]
        assert node.gpus == gpus(told["gres"])
        assert (node.cores_used, node.jobs) == (None, ())


@each_once
def test_the_json_s_nodes_are_those_of_the_facts(sample: Sample) -> None:
    facts, parsed = sample.facts, nodes_of(sample, "sinfo --json")
    assert parsed.complete
    assert parsed.warnings == []
    assert dict(Counter(node.native_state for node in parsed.nodes)) == facts["nodes"]["by_scontrol_state"]
    for node in parsed.nodes:
        told = node_facts(facts)[node.name]
        assert node.native_state == told["scontrol_state"]
        assert (node.cores, node.cores_used) == (told["cpus_total"], told["cpus_alloc"])
        assert (node.comment or "none") == told["reason"]
        assert node.gpus == gpus(told["gres"])
        assert set(told["partitions"]) <= set(node.properties)
    assert sum(node.cores_used or 0 for node in parsed.nodes) == facts["nodes"]["cpus_alloc"]


def gpus(gres: str) -> int:
    return 0 if gres == "(null)" else int(gres.rpartition(":")[2])


@each_once
def test_both_forms_agree_on_a_node(sample: Sample) -> None:
    text = {node.name: node for node in nodes_of(sample, "pbsnodes -a").nodes}
    for node in nodes_of(sample, "sinfo --json").nodes:
        other = text.pop(node.name)
        assert other.state is node.state
        assert (other.memory_bytes, other.comment) == (node.memory_bytes, node.comment)
        assert set(other.properties) <= set(node.properties)
    assert text == {}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("big1", NodeState.PARTIAL),
        ("big2", NodeState.FREE),
        ("cloud1", NodeState.PARTIAL),  # mixed~
        ("cloud2", NodeState.FREE),  # idle~: Slurm boots it when a job needs it
        ("gpu4", NodeState.DOWN),
        ("n5", NodeState.BUSY),
        ("n13", NodeState.OFFLINE),  # drained
        ("n14", NodeState.OFFLINE),  # draining
        ("n15", NodeState.OFFLINE),  # maint
        ("n16", NodeState.DOWN),  # down*
        ("n18", NodeState.BUSY),  # completing
        ("n19", NodeState.DOWN),  # unknown*: it does not respond
    ],
)
def test_node_states_as_people_would_call_them(name: str, state: NodeState) -> None:
    sample = load_sample("slurm-22.05.8/mixed")
    for command in ("pbsnodes -a", "sinfo --json"):
        node = next(node for node in nodes_of(sample, command).nodes if node.name == name)
        assert node.state is state, command


def test_a_node_that_never_registered_is_unknown() -> None:
    nodes = {node.name: node for node in nodes_of(load_sample("slurm-22.05.8/empty"), "pbsnodes -a").nodes}
    assert (nodes["n19"].native_state, nodes["n19"].state) == ("unknown", NodeState.UNKNOWN)


@each_once
def test_queues_are_the_partitions(sample: Sample) -> None:
    parsed = slurm_text.parse_queues(sample.output("qstat -Q -f").read())
    partitions = {name for told in node_facts(sample.facts).values() for name in told["partitions"]}
    assert parsed.complete
    assert parsed.warnings == []
    assert {queue.name for queue in parsed.queues} == partitions
    assert {queue.type for queue in parsed.queues} == {"execution"}
    closed = {queue.name for queue in parsed.queues if not (queue.enabled and queue.started)}
    assert closed == ({"old"} if "old" in partitions else set())


def check_between(sample: Sample, told: Dict[str, int], before: Dict[str, int], after: Dict[str, int]) -> None:
    """The facts were counted just before and just after a poll: what it tells lies between.

    Where the two differ in anything, one job more may have come and gone meanwhile.
    """
    slack = 0 if sample.facts["unchanged_during_poll"] else 1
    for name in {*told, *before, *after}:
        ends = [before.get(name, 0), after.get(name, 0)]
        assert min(ends) - slack <= told.get(name, 0) <= max(ends) + slack, name


@each_poll
def test_jobs_poll_by_poll(sample: Sample) -> None:
    before, after = sample.facts["before"], sample.facts["after"]
    for command in ("qstat -f", "squeue --json"):
        parsed = jobs_of(sample, command)
        assert parsed.complete
        assert parsed.warnings == []
        if command == "qstat -f":
            ends = [end["qstat_letters_expected"] for end in (before, after)]
            check_between(sample, count(parsed.jobs, lambda job: job.native_state), *ends)
            ends = [letters_by(end, "records_by_user_state") for end in (before, after)]
            check_between(sample, count(parsed.jobs, lambda job: f"{job.user}/{job.native_state}"), *ends)
        else:
            ends = [end["jobs"]["tasks_by_user_state"] for end in (before, after)]
            check_between(sample, count(parsed.jobs, lambda job: f"{job.user}/{job.native_state}"), *ends)
            ends = [end["jobs"]["tasks_by_queue_state"] for end in (before, after)]
            check_between(sample, count(parsed.jobs, lambda job: f"{job.queue}/{job.native_state}"), *ends)


@each_poll
def test_cores_poll_by_poll(sample: Sample) -> None:
    ends = [expected_cores(sample.facts[end], "RUNNING", "CONFIGURING") for end in ("before", "after")]
    check_between(sample, cores(jobs_of(sample, "qstat -f").jobs, ("R",)), *ends)
    check_between(sample, cores(jobs_of(sample, "squeue --json").jobs, ("RUNNING", "CONFIGURING")), *ends)


@each_poll
def test_nodes_poll_by_poll(sample: Sample) -> None:
    before, after = (sample.facts[end]["nodes"] for end in ("before", "after"))
    for command, key in (("pbsnodes -a", "by_state"), ("sinfo --json", "by_scontrol_state")):
        parsed = nodes_of(sample, command)
        assert parsed.complete
        assert parsed.warnings == []
        assert len(parsed.nodes) == before["count"]
        check_between(sample, dict(Counter(node.native_state for node in parsed.nodes)), before[key], after[key])


def test_the_json_s_words_are_all_known() -> None:
    seen = {job.native_state for sample in ONCE + SERIES for job in jobs_of(sample, "squeue --json").jobs}
    assert seen <= set(SLURM_JOB_STATES)
    assert {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "SPECIAL_EXIT", "COMPLETED"} <= seen


@pytest.mark.parametrize("sample", AWAY, ids=str)
def test_a_controller_that_is_away_is_no_empty_queue(sample: Sample) -> None:
    # The wrappers print nothing and tell it by their exit code; the JSON exits 0 and tells it by its errors.
    for command in ("qstat -f", "qstat -Q -f", "pbsnodes -a"):
        assert sample.output(command).exit_code not in (0, 153)
    assert jobs_of(sample, "qstat -f") == ParsedJobs()
    assert nodes_of(sample, "pbsnodes -a") == ParsedNodes()
    assert slurm_text.parse_queues(sample.output("qstat -Q -f").read()) == ParsedQueues()
    assert [sample.output(command).exit_code for command in ("squeue --json", "sinfo --json")] == [0, 0]
    with pytest.raises(ParseError, match=r"squeue --json .*Failed while looking for jobs"):
        jobs_of(sample, "squeue --json")
    with pytest.raises(ParseError, match=r"sinfo --json .*Unspecified error"):
        nodes_of(sample, "sinfo --json")
