"""What people asked to be told of, what was told, and how"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "listener",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("feed", sa.String(length=64), nullable=False, comment="the secret in the address of their feed"),
        sa.PrimaryKeyConstraint("owner"),
        sa.UniqueConstraint("feed"),
    )
    op.create_table(
        "rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "owner",
            sa.String(length=120),
            nullable=False,
            comment="user:NAME of who signed in; key:HASH of a browser's key",
        ),
        sa.Column("kind", sa.String(length=16), nullable=False, comment="a word of collector/alerts/decide.py's Kind"),
        sa.Column("cluster_id", sa.Integer(), nullable=False),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=True,
            comment="a job's native id, a queue, a node; NULL for the whole cluster",
        ),
        sa.Column("job_id", _KEY, nullable=True, comment="the row in `job` where the subject is one; it may be pruned"),
        sa.Column("number", sa.Integer(), nullable=False, comment="cores that are to be free; seconds without a start"),
        sa.Column("once", sa.Boolean(), nullable=False, comment="it ends when it has told"),
        sa.Column("channels", sa.Text(), nullable=False, comment="JSON [browser, webhook, mail]"),
        sa.Column("webhook", sa.Text(), nullable=True, comment="where to post to"),
        sa.Column("secret", sa.Text(), nullable=True, comment="by which posts are signed"),
        sa.Column("mail", sa.Text(), nullable=True, comment="whom to write to"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True, comment="when it last told"),
        sa.Column(
            "ended_at",
            sa.BigInteger(),
            nullable=True,
            comment="when it had told all that it had to; NULL while it looks",
        ),
        sa.Column("paused", sa.Boolean(), nullable=False, comment="it looks at nothing until it is resumed"),
        sa.Column("memory", sa.Text(), nullable=True, comment="JSON of what it knows from the reports before"),
        sa.ForeignKeyConstraint(["cluster_id"], ["cluster.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rule_by_cluster", "rule", ["cluster_id"])
    op.create_index("rule_by_owner", "rule", ["owner"])
    op.create_table(
        "notice",
        sa.Column("id", _KEY, nullable=False),
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=False, comment="it may have been taken away"),
        sa.Column("cluster_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("words", sa.Text(), nullable=False, comment="a sentence without its full stop"),
        sa.Column("facts", sa.Text(), nullable=False, comment="JSON of the same"),
        sa.Column("browser", sa.Boolean(), nullable=False, comment="a browser is to say it"),
        sa.ForeignKeyConstraint(["cluster_id"], ["cluster.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notice_by_owner", "notice", ["owner", "id"])
    op.create_index("notice_by_time", "notice", ["at"])
    op.create_table(
        "delivery",
        sa.Column("notice_id", _KEY, autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False, comment="webhook or mail"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column(
            "due_at", sa.Float(), nullable=True, comment="when to try; NULL when there is nothing more to be done"
        ),
        sa.Column(
            "message",
            sa.String(length=32),
            nullable=True,
            comment="the message it is in, the same at each try; several notices may share one",
        ),
        sa.Column("told_at", sa.Float(), nullable=True, comment="when it was taken"),
        sa.Column("said", sa.Text(), nullable=True, comment="what went wrong the last time"),
        sa.ForeignKeyConstraint(["notice_id"], ["notice.id"]),
        sa.PrimaryKeyConstraint("notice_id", "channel"),
    )
    op.create_index("delivery_due", "delivery", ["due_at"])
