"""Collectors by name; on PostgreSQL larger numbers, tables by month, and ids in the order of their bytes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_LARGER = {
    "job": (
        [
            "id",
            "cores",
            "nodes",
            "gpus",
            "walltime_seconds",
            "walltime_used_seconds",
            "cpu_used_seconds",
            "exit_status",
            "priority",
        ]
    ),
    "job_live": ["job_id"],
    "job_span": ["job_id", "cores", "gpus"],
    "job_array": ["total"],
    "node": ["cores", "cores_used", "gpus", "gpus_used"],
    "node_span": ["cores", "gpus"],
    "poll": ["id"],
    "queue": ["priority", "max_walltime_seconds"],
    "queue_span": ["max_walltime_seconds"],
}
_BY_MONTH = {"usage_hour": "bucket", "capacity_hour": "bucket", "poll": "at"}


def upgrade() -> None:
    op.create_table(
        "collector",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="host and process id"),
        sa.Column(
            "region", sa.String(length=64), nullable=True, comment="whose clusters it polls; NULL for those of none"
        ),
        sa.Column("announce", sa.Text(), nullable=False, comment="where it tells of new reports"),
        sa.Column("refresh", sa.Text(), nullable=False, comment="where it takes wishes for one"),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("cluster", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("collector_id", sa.Integer(), nullable=True, comment="which collector polls it, or did last")
        )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in _LARGER.items():
            for column in columns:
                op.alter_column(table, column, type_=sa.BigInteger())
        for column in ("number", "array_number"):
            op.alter_column("job", column, type_=sa.Text(collation="C"))
        for table, column in _BY_MONTH.items():
            _lay_by_month(table, column)


def _lay_by_month(table: str, column: str) -> None:
    """Make the table anew, by UTC month, with what was in it."""
    old = f"{table}_old"
    key = "id, at" if table == "poll" else None
    op.execute(f"ALTER TABLE {table} RENAME TO {old}")
    op.execute(f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS INCLUDING COMMENTS) PARTITION BY RANGE ({column})")
    bind = op.get_bind()
    if key is None:
        key = ", ".join(sa.inspect(bind).get_pk_constraint(old)["constrained_columns"])
    months = f"SELECT DISTINCT date_trunc('month', to_timestamp({column}) AT TIME ZONE 'UTC') FROM {old}"
    for (month,) in bind.execute(sa.text(months)).all():
        first, last = bind.execute(
            sa.text("SELECT extract(epoch FROM :m)::bigint, extract(epoch FROM :m + interval '1 month')::bigint"),
            {"m": month},
        ).one()
        op.execute(f"CREATE TABLE {table}_{month:%Y%m} PARTITION OF {table} FOR VALUES FROM ({first}) TO ({last})")
    op.execute(f"INSERT INTO {table} SELECT * FROM {old}")
    if table == "poll":
        op.execute("ALTER SEQUENCE poll_id_seq OWNED BY poll.id")
    op.execute(f"DROP TABLE {old}")
    op.execute(f"ALTER TABLE {table} ADD PRIMARY KEY ({key})")
    op.execute(f"ALTER TABLE {table} ADD FOREIGN KEY (cluster_id) REFERENCES cluster (id)")
    if table == "poll":
        op.create_index("poll_by_time", "poll", ["cluster_id", "at"], unique=False)
    elif table == "usage_hour":
        op.execute("ALTER TABLE usage_hour ADD FOREIGN KEY (queue_id) REFERENCES word (id)")
        op.execute("ALTER TABLE usage_hour ADD FOREIGN KEY (user_id) REFERENCES word (id)")
