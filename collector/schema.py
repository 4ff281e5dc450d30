"""The store's tables: written by the collector, read by webstat. The only place that names columns.

The store keeps intervals, not copies of the queue. Times are unix seconds UTC (integers),
durations seconds, memory bytes; NULL is "the scheduler did not say". Small vocabularies are kept
as numbers: JOB_STATES and NODE_STATES below, whose order may only be appended to. Long, since all tables stand here,
with what must be said alike of their rows wherever they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    CompoundSelect,
    Float,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    case,
    literal_column,
    or_,
    text,
    true,
    union_all,
)

from agent.states import JobState, NodeState

metadata = MetaData()

_Key = BigInteger().with_variant(Integer(), "sqlite")
"""Numbers of rows that come to billions; SQLite's own integers hold as many, under the name that makes them its row id."""

_Number = Integer().with_variant(BigInteger(), "postgresql")
"""What a scheduler tells, however large; all of SQLite's integers are that large."""

_Ordered = Text().with_variant(Text(collation="C"), "postgresql")
"""Texts of which ranges are asked for: in the order of their bytes, whatever the database's own order is."""

JOB_STATES: tuple[JobState, ...] = (
    JobState.QUEUED,
    JobState.HELD,
    JobState.WAITING,
    JobState.TRANSITING,
    JobState.RUNNING,
    JobState.SUSPENDED,
    JobState.EXITING,
    JobState.FINISHED,
    JobState.UNKNOWN,
)
"""`job.state` and `job_span.state` are indexes into this."""

NODE_STATES: tuple[NodeState, ...] = (
    NodeState.FREE,
    NodeState.PARTIAL,
    NodeState.BUSY,
    NodeState.RESERVED,
    NodeState.OFFLINE,
    NodeState.DOWN,
    NodeState.UNKNOWN,
)
"""`node.state`, `node_span.state` and `capacity_*.state` are indexes into this."""

OPEN = 253402300799
"""`until` of a span that goes on, and of nothing else: 9999-12-31T23:59:59Z."""

cluster = Table(
    "cluster",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(64), nullable=False, unique=True, comment="from webstat.toml; used in addresses"),
    Column("title", Text, nullable=False, comment="what people call it"),
    Column("listed", Boolean, nullable=False, default=True, comment="in webstat.toml when the collector last started"),
    Column("demo", Boolean, nullable=False, default=False, comment="simulated: pages say DEMO"),
    Column("period_seconds", Integer, nullable=False, comment="time between polls"),
    Column("wished_seconds", Integer, comment="the same as webstat.toml has it; NULL: no collector has said so yet"),
    Column("load_share", Float, comment="of the time, what the scheduler's commands may take; 0 or NULL: no limit"),
    Column("scheduler_kind", String(16), comment="openpbs, torque, slurm; NULL before the first report"),
    Column("scheduler_version", Text),
    Column("scheduler_server", Text),
    Column("report", Integer, nullable=False, default=0, comment="number of the newest stored report; 0 is none yet"),
    Column("taken_at", Float, comment="when the newest report's queries had finished"),
    Column("query_seconds", Float, comment="what the newest report cost the scheduler"),
    Column("query_parts", Text, comment="JSON {listing: seconds} of the same"),
    Column("warnings", Text, comment="JSON [{source, message}] of the newest report"),
    Column("partial", Text, comment="JSON [str]: listings of the newest report known to lack records"),
    Column(
        "reservations",
        Text,
        comment="JSON [{id, name, owner, state, queue, starts_at, ends_at, nodes, cores, comment}] of the newest report",
    ),
    Column("failures", Integer, nullable=False, default=0, comment="polls failed in a row; 0 is healthy"),
    Column("error_code", String(32), comment="of the last failed poll; NULL when healthy"),
    Column("error", Text, comment="words of the last failed poll; NULL when healthy"),
    Column("attempted_at", Float, comment="when the last poll was begun"),
    Column("next_poll_at", Float, comment="when the next one is due"),
    Column(
        "kept_since",
        BigInteger,
        comment="first second of a month: of jobs that ended before, the tables have lost some, and only history_column "
        "tells; NULL while they have all",
    ),
    Column("collector_id", Integer, comment="which collector polls it, or did last"),
)

collector = Table(
    "collector",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, comment="host and process id"),
    Column("region", String(64), comment="whose clusters it polls; NULL for those of none"),
    Column("announce", Text, nullable=False, comment="where it tells of new reports"),
    Column("refresh", Text, nullable=False, comment="where it takes wishes for one"),
    Column("public_key", String(40), comment="its CURVE key at both; NULL where they are open"),
    Column("started_at", Float, nullable=False),
)
"""The collectors that run, and those that were killed, until another one notices."""

poll = Table(
    "poll",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("cluster_id", ForeignKey("cluster.id"), nullable=False),
    Column("at", BigInteger, nullable=False, comment="when it was begun"),
    Column("seconds", Float, nullable=False, comment="until the answer, or until it was given up"),
    Column("report", Integer, comment="number of the report it brought; NULL if it failed or was a repeat"),
    Column("taken_at", Float, comment="of that report"),
    Column(
        "known_since",
        BigInteger,
        comment="from when on that report tells all that happened, where it does so for longer than a period",
    ),
    Column(
        "period_seconds",
        Integer,
        comment="in which the next report was awaited; NULL if it brought none, or is of a version that kept none",
    ),
    Column("query_seconds", Float),
    Column("running", Integer, comment="jobs in that report, by state"),
    Column("pending", Integer),
    Column("error_code", String(32)),
    Column("error", Text),
    Index("poll_by_time", "cluster_id", "at"),
)


def cost_of_poll() -> ColumnElement[bool]:
    """True of the polls that had the scheduler's commands run: a repeat of a report cost it nothing.

    `query_seconds` is then what they took; of a failed poll, what they may have taken, and NULL where none ran.
    """
    return and_(poll.c.query_seconds.is_not(None), or_(poll.c.report.is_not(None), poll.c.error_code.is_not(None)))


word = Table(
    "word",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False, unique=True, comment="a user, group, account, project, queue, server or node"),
)

job = Table(
    "job",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("cluster_id", ForeignKey("cluster.id"), nullable=False),
    Column("number", _Ordered, nullable=False, comment="its id up to the first dot: 123, 123[4]"),
    Column("server_id", ForeignKey("word.id"), comment="what follows that dot; NULL where nothing does"),
    Column("array_number", _Ordered, comment="the array's id up to the first dot, where it is a subjob"),
    Column("array_index", Text, comment="NULL where it is what stands in the brackets of number"),
    Column("name", Text, nullable=False),
    Column("user_id", ForeignKey("word.id"), nullable=False),
    Column("group_id", ForeignKey("word.id")),
    Column("account_id", ForeignKey("word.id")),
    Column("project_id", ForeignKey("word.id")),
    Column("queue_id", ForeignKey("word.id"), nullable=False),
    Column("state", SmallInteger, nullable=False, comment="index into JOB_STATES; the last one known"),
    Column("native_state", Text, nullable=False),
    Column("cores", _Number, nullable=False),
    Column("nodes", _Number, nullable=False),
    Column("gpus", _Number, nullable=False),
    Column("memory_bytes", BigInteger),
    Column("walltime_seconds", _Number),
    Column("walltime_used_seconds", _Number),
    Column("cpu_used_seconds", _Number),
    Column("memory_used_bytes", BigInteger),
    Column("submitted_at", BigInteger, nullable=False, comment="first seen, where the scheduler does not say"),
    Column("eligible_at", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger, comment="NULL while it lives"),
    Column("ended_estimated", Boolean, nullable=False, default=False, comment="the end lies between two polls"),
    Column(
        "implied",
        Boolean,
        nullable=False,
        default=False,
        server_default="0",
        comment="it ended, and its times tell its spans: they are not in job_span",
    ),
    Column("exit_status", _Number),
    Column("priority", _Number),
    Column("hold", Text),
    Column("depends_on", Text),
    Column("hosts", Text, comment="cores:nodes, the nodes as ranges of word ids: 24:3-10,17;12:20"),
    # With the submission, so that of jobs that ended later those that had not come yet are passed over in the index.
    Index("job_by_end", "cluster_id", "ended_at", "submitted_at"),
    Index("job_by_number", "cluster_id", "number"),
)
"""A job lives while `ended_at` is NULL."""

LONG_SECONDS = 30 * 86400
"""A job whose life was longer has its place in an index of its own, so that no other is sought so far."""

_WAS_LONG = f"ended_at - submitted_at > {LONG_SECONDS}"
Index("job_long", job.c.cluster_id, job.c.ended_at, sqlite_where=text(_WAS_LONG), postgresql_where=text(_WAS_LONG))


def lived_in(cluster_id: int, since: int, until: int) -> ColumnElement[bool]:
    """True of the jobs of a cluster that were submitted before `until`, and live or ended at `since` or later.

    Said so that an index finds them: each half of the OR names its own.
    """
    here, ended = job.c.cluster_id == cluster_id, job.c.ended_at
    return and_(
        job.c.submitted_at < until,
        or_(
            and_(here, ended.is_(None)),
            and_(here, ended >= since, ended < until + LONG_SECONDS),
            and_(
                here,
                ended >= since,
                literal_column("job.ended_at - job.submitted_at") > literal_column(str(LONG_SECONDS)),
            ),
        ),
    )


job_live = Table(
    "job_live",
    metadata,
    Column("job_id", ForeignKey("job.id"), primary_key=True, autoincrement=False),
    Column("comment", Text, comment="the scheduler's words"),
    Column("estimated_start_at", BigInteger, comment="the scheduler's estimate"),
)
"""What is said of a job while it lives, where anything is; apart, because it is long and does not stay."""

job_span = Table(
    "job_span",
    metadata,
    Column("job_id", ForeignKey("job.id"), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False, comment="OPEN while it goes on"),
    Column("state", SmallInteger, nullable=False),
    Column("queue_id", Integer, nullable=False),
    Column("cores", _Number, nullable=False),
    Column("gpus", _Number, nullable=False),
    sqlite_with_rowid=False,
)
"""One row per state, queue or size a job was in; half-open [since, until), no overlaps within a job.

Not of jobs whose spans are implied: most wait from submission to start, run until their end, and that is all.
"""


@dataclass(frozen=True)
class SpansOf:
    """A kind of spans, with the columns of `job_span` and of `job`: what is asked of one kind is asked of each.

    `source` is what to select from, which has `job` too; `there` says which of its rows are spans of this kind.
    """

    source: FromClause
    there: ColumnElement[bool]
    job_id: ColumnElement[int]
    since: ColumnElement[int]
    until: ColumnElement[int]
    state: ColumnElement[int]
    queue_id: ColumnElement[int]
    cores: ColumnElement[int]
    gpus: ColumnElement[int]

    def columns(self) -> list[ColumnElement[Any]]:
        """Those of `job_span`, so named."""
        return [getattr(self, column.name).label(column.name) for column in job_span.columns]


def _implied(
    state: JobState, since: ColumnElement[int], until: ColumnElement[int], does: ColumnElement[bool]
) -> SpansOf:
    number: ColumnElement[int] = literal_column(str(JOB_STATES.index(state)), SmallInteger)
    c = job.c
    there = and_(c.implied, does, until > since)
    return SpansOf(job, there, c.id, since, until, number, c.queue_id, c.cores, c.gpus)


_BEGUN: ColumnElement[int] = case((job.c.started_at < job.c.ended_at, job.c.started_at), else_=job.c.ended_at)
"""When an ended job left the queue; that of one that never ran is its end."""

TOLD = SpansOf(job.join(job_span, job_span.c.job_id == job.c.id), true(), **dict(job_span.columns.items()))
WAITED = _implied(JobState.QUEUED, job.c.submitted_at, _BEGUN, true())
RAN = _implied(JobState.RUNNING, _BEGUN, job.c.ended_at, job.c.started_at.is_not(None))


def every_span(query: Callable[[SpansOf], Select[Any]]) -> CompoundSelect[Any]:
    """The rows of `query` for told spans, implied waits and implied runs; it selects what it is given, no more."""
    return union_all(*(query(spans).select_from(spans.source).where(spans.there) for spans in (TOLD, WAITED, RAN)))


job_array = Table(
    "job_array",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("number", Text, primary_key=True, comment="the array's id up to the first dot, as job.array_number"),
    Column("total", _Number, nullable=False, comment="number of subjobs it was submitted with"),
    sqlite_with_rowid=False,
)
"""How many tasks an array has, where the scheduler says; its subjobs are jobs."""

node = Table(
    "node",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cluster_id", ForeignKey("cluster.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("state", SmallInteger, nullable=False, comment="index into NODE_STATES"),
    Column("native_state", Text, nullable=False),
    Column("cores", _Number),
    Column("cores_used", _Number),
    Column("gpus", _Number),
    Column("gpus_used", _Number),
    Column("memory_bytes", BigInteger),
    Column("memory_used_bytes", BigInteger),
    Column("load", Float),
    Column("jobs", Text, comment="JSON [native job id]"),
    Column("properties", Text, comment="JSON [str]"),
    Column("comment", Text),
    Column("gone_at", BigInteger, comment="when it was no longer listed; NULL while it is"),
    UniqueConstraint("cluster_id", "name"),
)

node_span = Table(
    "node_span",
    metadata,
    Column("node_id", ForeignKey("node.id"), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("cores", _Number, nullable=False),
    Column("gpus", _Number, nullable=False),
    sqlite_with_rowid=False,
)

node_month = Table(
    "node_month",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("month", BigInteger, primary_key=True, comment="its first second (UTC)"),
    Column("node_id", LargeBinary, nullable=False, comment="as of node_span, packed: see collector/columns.py"),
    Column("since", LargeBinary, nullable=False, comment="less the month"),
    Column("until", LargeBinary, nullable=False, comment="less the span's own `since`"),
    Column("state", LargeBinary, nullable=False),
    Column("cores", LargeBinary, nullable=False),
    Column("gpus", LargeBinary, nullable=False),
)
"""Old spans of nodes in service, by columns; they are no longer in `node_span`. See collector/node_months.py."""

queue = Table(
    "queue",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cluster_id", ForeignKey("cluster.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("type", String(16), nullable=False, comment="execution or routing"),
    Column("enabled", Boolean),
    Column("started", Boolean),
    Column("priority", _Number),
    Column("max_walltime_seconds", _Number),
    Column("limits", Text, comment="JSON {native name: native text} of what limits it; NULL for none"),
    Column("gone_at", BigInteger),
    UniqueConstraint("cluster_id", "name"),
)

queue_span = Table(
    "queue_span",
    metadata,
    Column("queue_id", ForeignKey("queue.id"), primary_key=True),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("until", BigInteger, nullable=False),
    Column("enabled", Boolean),
    Column("started", Boolean),
    Column("max_walltime_seconds", _Number),
    sqlite_with_rowid=False,
)


def _usage(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
        Column("bucket", BigInteger, primary_key=True, comment="its first second"),
        Column("queue_id", ForeignKey("word.id"), primary_key=True),
        Column("user_id", ForeignKey("word.id"), primary_key=True),
        Column("group_id", Integer, primary_key=True, comment="word.id; 0 where the scheduler names no group"),
        Column("core_seconds", BigInteger, nullable=False, comment="run"),
        Column("gpu_seconds", BigInteger, nullable=False, comment="run"),
        Column("waited_core_seconds", BigInteger, nullable=False, comment="cores asked for x time queued"),
        Column("submitted", Integer, nullable=False, comment="jobs submitted in the bucket"),
        Column("started", Integer, nullable=False),
        Column("ended", Integer, nullable=False),
        Column("wait_seconds", BigInteger, nullable=False, comment="sum over the jobs that started in the bucket"),
        sqlite_with_rowid=False,
    )


def _capacity(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
        Column("bucket", BigInteger, primary_key=True),
        Column("state", SmallInteger, primary_key=True, autoincrement=False),
        Column("core_seconds", BigInteger, nullable=False, comment="installed cores of nodes in that state"),
        Column("gpu_seconds", BigInteger, nullable=False),
        Column("node_seconds", BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )


usage_hour = _usage("usage_hour")
usage_day = _usage("usage_day")
capacity_hour = _capacity("capacity_hour")
capacity_day = _capacity("capacity_day")

dirty_hour = Table(
    "dirty_hour",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("bucket", BigInteger, primary_key=True, comment="an hour whose usage must be computed again"),
    sqlite_with_rowid=False,
)

history_month = Table(
    "history_month",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("month", BigInteger, primary_key=True, comment="its first second (UTC)"),
    Column("jobs", Integer, nullable=False, comment="jobs in its columns: those that ended in it"),
    Column("first_submitted_at", BigInteger, comment="the earliest submission among them; NULL for none"),
    Column(
        "packed_until",
        BigInteger,
        nullable=False,
        comment="of jobs that ended before this, the columns tell the truth; of others, the tables do",
    ),
    Column(
        "version", Integer, nullable=False, comment="how many times it was packed: by it copies know that they are old"
    ),
    Column(
        "pruned", Boolean, nullable=False, comment="its jobs are no longer in the tables: the columns are all there is"
    ),
    sqlite_with_rowid=False,
)
"""Ended jobs again, by columns: what history is counted from. Made of `job` and `job_span`; outlives them."""

history_column = Table(
    "history_column",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("month", BigInteger, primary_key=True),
    Column("kind", String(16), primary_key=True, comment="what one element stands for: see collector/history.py"),
    Column("name", String(24), primary_key=True),
    Column("data", LargeBinary, nullable=False, comment="see collector/columns.py"),
)

known_span = Table(
    "known_span",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("until", BigInteger, nullable=False),
    Column("polled", Boolean, nullable=False, default=False, comment="told by reports; else imported"),
    sqlite_with_rowid=False,
)
"""Stretches of which the jobs are known; no two of a cluster overlap."""

import_file = Table(
    "import_file",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("mark", String(64), primary_key=True, comment="by which the same file is known again"),
    Column("name", Text, nullable=False),
    Column("position", BigInteger, nullable=False, comment="bytes (uncompressed) of which all is stored"),
    Column("records", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("at", BigInteger, nullable=False, comment="when the last of it was stored"),
    sqlite_with_rowid=False,
)
"""Accounting logs that were read, and how far."""

import_unended = Table(
    "import_unended",
    metadata,
    Column("cluster_id", ForeignKey("cluster.id"), primary_key=True),
    Column("kind", String(1), primary_key=True, comment="of the record: Q waits, S runs, R was put back"),
    Column("job", String(300), primary_key=True, comment="its native id"),
    Column("data", LargeBinary, nullable=False, comment="the records"),
    sqlite_with_rowid=False,
)
"""What accounting logs told of jobs whose end they have not told yet: nothing of them is in `job`."""

rule = Table(
    "rule",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(120), nullable=False, comment="user:NAME of who signed in; key:HASH of a browser's key"),
    Column("kind", String(16), nullable=False, comment="a word of collector/alerts/decide.py's Kind"),
    Column("cluster_id", ForeignKey("cluster.id"), nullable=False),
    Column("subject", Text, comment="a job's native id, a queue, a node; NULL for the whole cluster"),
    Column("job_id", _Key, comment="the row in `job` where the subject is one; it may be pruned"),
    Column("number", Integer, nullable=False, comment="cores that are to be free; seconds without a start"),
    Column("once", Boolean, nullable=False, comment="it ends when it has told"),
    Column("channels", Text, nullable=False, comment="JSON [browser, webhook, mail]"),
    Column("webhook", Text, comment="where to post to"),
    Column("secret", Text, comment="by which posts are signed"),
    Column("mail", Text, comment="whom to write to"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("told_at", BigInteger, comment="when it last told"),
    Column("ended_at", BigInteger, comment="when it had told all that it had to; NULL while it looks"),
    Column("paused", Boolean, nullable=False, default=False, comment="it looks at nothing until it is resumed"),
    Column("memory", Text, comment="JSON of what it knows from the reports before"),
    Index("rule_by_cluster", "cluster_id"),
    Index("rule_by_owner", "owner"),
)
"""What people asked to be told of."""

notice = Table(
    "notice",
    metadata,
    Column("id", _Key, primary_key=True),
    Column("owner", String(120), nullable=False),
    Column("rule_id", Integer, nullable=False, comment="it may have been taken away"),
    Column("cluster_id", ForeignKey("cluster.id"), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", Text),
    Column("words", Text, nullable=False, comment="a sentence without its full stop"),
    Column("facts", Text, nullable=False, comment="JSON of the same"),
    Column("browser", Boolean, nullable=False, comment="a browser is to say it"),
    Index("notice_by_owner", "owner", "id"),
    Index("notice_by_time", "at"),
)
"""What was decided to be told. Pages and feeds show it; `delivery` says what became of the rest."""

delivery = Table(
    "delivery",
    metadata,
    Column("notice_id", ForeignKey("notice.id"), primary_key=True, autoincrement=False),
    Column("channel", String(8), primary_key=True, comment="webhook or mail"),
    Column("tries", Integer, nullable=False, default=0),
    Column("due_at", Float, comment="when to try; NULL when there is nothing more to be done"),
    Column("message", String(32), comment="the message it is in, the same at each try; several notices may share one"),
    Column("told_at", Float, comment="when it was taken"),
    Column("said", Text, comment="what went wrong the last time"),
    Index("delivery_due", "due_at"),
)

listener = Table(
    "listener",
    metadata,
    Column("owner", String(120), primary_key=True),
    Column("feed", String(64), nullable=False, unique=True, comment="the secret in the address of their feed"),
)
"""Those who have rules, or had."""
