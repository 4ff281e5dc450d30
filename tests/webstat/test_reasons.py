"""Why jobs wait: recorded texts, those of the schedulers' sources and manuals, and hostile ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.states import JobState
from tests.webstat.reason_samples import RECORDED, SOURCES, tables
from webstat.native_reasons import ROWS, pbs, row_of
from webstat.reasons import KINDS, NOT_KEPT, reason

CASES = [
    pytest.param(case, id=f"{scheduler}-{case['state']}-{case['comment']}-{case['hold']}-{number}")
    for scheduler, cases in RECORDED.items()
    for number, case in enumerate(cases)
]
FORMS = [
    pytest.param(form, id=f"{scheduler}-{form['comment']}") for scheduler, forms in SOURCES.items() for form in forms
]
DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "reasons.md"


def why(comment=None, state="queued", hold=None, depends_on=None, **known):
    return reason(state=state, comment=comment, hold=hold, depends_on=depends_on, **known)


def said(comment, **known):
    return why(comment, user="dave", queue="long", **known).words.replace("\u00a0", " ")


@pytest.mark.parametrize("case", CASES)
def test_every_recorded_text_has_its_kind(case):
    found = why(
        case["comment"], case["state"], case["hold"], case["depends_on"], job_id="17", user="dave", queue="long"
    )
    assert found.kind == case["kind"]
    assert found.raw == ((case["comment"] or "").strip() or None)
    assert found.words.endswith(".") and len(found.words) <= 80


def test_nothing_recorded_is_left_to_its_own_words():
    assert {case.values[0]["kind"] for case in CASES} <= KINDS.keys() - {"other"}
    texts = {case.values[0]["comment"] for case in CASES} - {None}
    assert {text for text in texts if row_of(text) is None} == set()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_sources_has_its_kind(form):
    found = why(form["comment"], job_id="17", user="dave", queue="long")
    assert found.kind == form["kind"] and found.raw == form["comment"]
    assert row_of(form["comment"]) is not None
    assert found.words.endswith(".") and len(found.words) <= 90


def test_every_row_of_the_tables_has_a_text_and_the_document_has_every_row():
    held = {id(row_of(form.values[0]["comment"])[0]) for form in FORMS}
    rows = (*ROWS, *pbs.NEVER)
    assert [row.pattern.pattern for row in rows if id(row) not in held] == []
    assert all(row.source.split()[0] in ("openpbs", "torque", "slurm", "maui") for row in rows)
    assert tables() in DOCUMENT.read_text(encoding="utf-8"), (
        "python -m tests.webstat.reason_samples prints what it lacks"
    )


AMOUNTS = "Not Running: Insufficient amount of resource: "


@pytest.mark.parametrize(
    ("comment", "ahead", "words"),
    [
        (AMOUNTS + "ncpus (R: 48 A: 12 T: 3072)", None, "Needs 48 cores; 12 are free."),
        (AMOUNTS + "ncpus (R: 48 A: 1 T: 3072)", None, "Needs 48 cores; 1 is free."),
        (AMOUNTS + "ncpus (R: 48 A: 12 T: 3072)", 17, "Needs 48 cores, 12 are free; 17 jobs are ahead in long."),
        (AMOUNTS + "ncpus (R: 48 A: 12 T: 3072)", 0, "Needs 48 cores, 12 are free; it is next in long."),
        (AMOUNTS + "ncpus (R: 1 A: 0 T: 1504)", 1, "Needs 1 core, none is free; 1 job is ahead in long."),
        (AMOUNTS + "ncpus (R: 24 A: 46 T: 1504)", 9, "Needs 24 cores; 46 are free, not where it can run."),
        (AMOUNTS + "ngpus (R: 4 A: 1 T: 28)", None, "Needs 4 GPUs; 1 of 28 is free."),
        (AMOUNTS + "ngpus (R: 2 A: 0 T: 16)", None, "Needs 2 GPUs, all 16 are busy."),
        (AMOUNTS + "mem (R: 600gb A: 320gb T: 13696gb)", None, "Needs 600 GB of memory; 320 GB is free."),
        (AMOUNTS + "mem (R: 16gb A: 0kb T: 25984gb)", None, "Needs 16 GB of memory; none is free."),
        (AMOUNTS + "mem (R: 16gb A: 0kb T: 25984...", None, "Needs 16 GB of memory; none is free."),
        (AMOUNTS + "ncpus (R: 264 A: 22", None, "Needs 264 cores; 22 are free."),
        (AMOUNTS + "ncpus (R: 264", None, "The cores it needs are not free."),
        (AMOUNTS + "bigmem (True != False)", None, "No node with bigmem True is free."),
        ("Not Running: Insufficient amount of server resource: foo_lic (R: 18 A: 15 T: 20)", None,
         "Needs 18 foo_lic; 15 of 20 are free."),
        ("Can Never Run: Insufficient amount of resource: ncpus (R: 5000 A: 1504 T: 1504)", 3,
         "Cannot ever run: asks for 5,000 cores, there are 1,504."),
        ("Can Never Run: Insufficient amount of resource: mem (R: 600gb A: 384gb T: 384gb)", None,
         "Cannot ever run: asks for 600 GB of memory, there is 384 GB."),
        ("Can Never Run: Insufficient amount of resource: gpu_model (h100 != a100,v100)", None,
         "Cannot ever run: asks for gpu_model h100; there is only a100, v100."),
        ("Not Running: Not enough free nodes available", 17, "The cluster is full; 17 jobs are ahead in long."),
        ("Resources", None, "The cluster is full."),
        ("Priority", 38, "38 jobs are ahead of it in long."),
        ("Priority", None, "Jobs of higher priority are ahead of it."),
        ("Not Running: User has reached queue long running job limit.", None,
         "dave is at the limit of running jobs in long."),
        ("Not Running: User has reached queue running job limit.", None,
         "dave is at the limit of running jobs in long."),
        ("Not Running: User has reached server running job limit.", None,
         "dave is at the limit of running jobs on this cluster."),
        ("Not Running: Queue short per-user limit reached on resource ncpus", None,
         "dave is at the limit of cores in short."),
        ("Not Running: would exceed user dave's limit on resource ngpus in queue gpu", None,
         "dave is at the limit of GPUs in gpu."),
        ("Not Running: would exceed group pande's limit on resource ncpus in complex", None,
         "The group pande is at its limit of cores on this cluster."),
        ("Not Running: would exceed overall limit on resource ncpus in queue long", None,
         "The queue long is at its limit of cores."),
        ("Not Running: Project has reached queue long's running limit.", None,
         "The project is at its limit of running jobs in long."),
        ("Not Running: Server job limit has been reached.", None, "The cluster is at its limit of running jobs."),
        ("AssocGrpCpuLimit", None, "Its account is at its limit of cores."),
        ("AssocGrpGRES", None, "Its account is at its limit of GPUs."),
        ("QOSMaxGRESPerUser", None, "dave is at the limit of GPUs of this QOS."),
        ("MaxCpuPerAccount", None, "Its account is at its limit of cores."),
        ("QOSMinCpuNotSatisfied", None, "Cannot run: asks for fewer cores than its QOS demands."),
        ("AssocMaxWallDurationPerJobLimit", None,
         "Cannot run: asks for more walltime than its account lets a job have."),
        ("Not Running: Job would conflict with reservation or top job", None,
         "Nodes are kept for a bigger job or a reservation."),
        ("ReqNodeNotAvail, UnavailableNodes:gpu4", None, "Cannot start: a node it needs, gpu4, is out or reserved."),
        ("ReqNodeNotAvail, Reserved for maintenance", None, "Cannot start: a node it needs is out or reserved."),
        ("Not Running - PBS Error: Unknown node", None, "Failed to start: node unknown to the server."),
        ("Not Running - PBS Error: Request invalid", None, "Failed to start: “Request invalid”."),
        ("requires completion of job '67')", None, "Waits until 67 ends."),
        ("Gone fishing", 4, "“Gone fishing”."),
        (None, 12, "The scheduler gives no reason. 12 jobs are ahead in long."),
        (None, 0, "The scheduler gives no reason. It is next in long."),
    ],
)  # fmt: skip
def test_sentences(comment, ahead, words):
    assert said(comment, ahead=ahead) == words


@pytest.mark.parametrize(
    ("depends_on", "words"),
    [
        ("afterok:463702.pbs01@pbs01", "Waits until 463702 ends without error."),
        ("afterany:68.pbs01@pbs01:69.pbs01@pbs01", "Waits until 68 and 69 end."),
        ("afternotok:71.pbs01", "Waits until 71 fails."),
        ("after:13+10(unfulfilled)", "Waits until 13 starts."),
        ("afterokarray:48226[].tq01.grid.example", "Waits until 48226[] ends without error."),
        ("afterany:1:2:3:4:5", "Waits until 1, 2 and 3 others end."),
        ("afterok:1(unfulfilled),afterany:2(unfulfilled)", "Waits for 1 and 2."),
        ("on:2", "Waits for 2 other jobs."),
        ("singleton(unfulfilled)", "Waits until its user's job of the same name ends."),
        ("afterok:3(failed)", "Will never start: 3 failed."),
    ],
)
def test_dependencies(depends_on, words):
    assert why(state="held", hold="s", depends_on=depends_on).words == words
    assert why("Dependency", "held", "Dependency", depends_on).words == words
    assert why("Dependency", "held", "Dependency", depends_on).kind == "dependency"


def test_who_holds_it_and_what_releases_it():
    own = why(state="held", hold="u", job_id="465493", user="heidi")
    assert (own.words, own.helps) == ("heidi holds it.", "“qrls 465493” releases it.")
    slurm = why("JobHeldUser", "held", "JobHeldUser", job_id="17")
    assert (slurm.words, slurm.helps) == ("Its user holds it.", "“scontrol release 17” releases it.")
    assert why(state="held", hold="uo").words == "An admin holds it."
    assert why(state="held", hold="s").words == "The system holds it."
    assert why(state="held", hold="s", depends_on="beforeok:7").kind == "held"


def test_a_stopped_queue_explains_all_but_what_outlives_it():
    stopped = {"queue": "debug", "queue_state": "stopped"}
    assert why(AMOUNTS + "ncpus (R: 48 A: 12 T: 3072)", **stopped).words == "The queue debug is stopped."
    assert why("Can Never Run: Not enough total nodes available", **stopped).kind == "never"
    assert why(state="held", hold="u", **stopped).kind == "held"
    assert why("Priority", queue_state="draining").kind == "order"


def test_a_start_the_scheduler_foretells_is_mentioned():
    assert why(estimated_start_at=1795469107.0).words == "The scheduler gives no reason, but expects a start."


@pytest.mark.parametrize("nothing", [None, "", "  \n", float("nan")])
def test_what_is_not_told(nothing):
    found = why(nothing, "queued", nothing, nothing, ahead=float("nan"), estimated_start_at=float("nan"))
    assert (found.kind, found.words, found.raw) == ("unsaid", "The scheduler gives no reason.", None)


def test_at_a_past_moment_what_is_not_kept_is_not_called_unsaid():
    waits = why(NOT_KEPT, ahead=3)
    assert (waits.kind, waits.raw) == ("not_kept", None)
    assert waits.words == "What the scheduler said then is not kept. 3 jobs are ahead."
    assert why(NOT_KEPT, state="held").words == "It is held; by whom is not kept."
    assert why(NOT_KEPT, queue="debug", queue_state="stopped").words == "The queue debug is stopped."


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>" * 40,
        "Not Running: Insufficient amount of resource: " + "x" * 100_000,
        "Not Running: would exceed user " + "a'" * 50_000,
        "Can Never Run: " + "(R: " * 20_000,
        "Not Running: PBS Error: \u202egnorw\u202c",
        "Queue " * 20_000,
        "QOSMax" + "Per" * 30_000 + "User!",
        "has the following hold(s) in place:" * 9000,
    ],
)
def test_hostile_texts_stay_short_and_printable(text):
    found = why(text, user="u" * 5000, queue="q" * 5000, job_id="j" * 5000)
    assert len(found.words) <= 200 and len(found.helps or "") <= 120
    assert found.words.replace("\u00a0", " ").isprintable()
    assert found.raw == text.strip()


TEXTS = st.text(max_size=60) | st.sampled_from([case.values[0]["comment"] or "" for case in CASES])
CUT = st.builds(lambda text, end: text[: len(text) - end], TEXTS, st.integers(0, 30))
AFTER = st.text(alphabet="afterokn:,.?()@[]0123456789 +", max_size=40)


@given(
    state=st.sampled_from([state.value for state in JobState]) | st.text(max_size=5),
    comment=st.none() | CUT | st.floats(),
    hold=st.none() | st.text(alphabet="uosnlp", max_size=4) | CUT,
    depends_on=st.none() | AFTER | CUT,
    names=st.tuples(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9)),
    ahead=st.none() | st.integers() | st.floats(),
    at=st.none() | st.floats(),
    queue_state=st.sampled_from(["open", "stopped", "closed", "draining", "unknown", ""]),
)
def test_every_text_has_a_sentence(state, comment, hold, depends_on, names, ahead, at, queue_state):
    job_id, user, queue = names
    found = reason(
        state=state, comment=comment, hold=hold, depends_on=depends_on, job_id=job_id, user=user, queue=queue,
        queue_state=queue_state, ahead=ahead, estimated_start_at=at,
    )  # fmt: skip
    assert found.kind in KINDS
    assert found.words.endswith(".")
    assert found.helps is None or found.helps.endswith(".")
