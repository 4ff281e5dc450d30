"""Periods that follow what commands take: the wished one beside the one in force, and that of each report"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("cluster", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "wished_seconds",
                sa.Integer(),
                nullable=True,
                comment="the same as webstat.toml has it; NULL: no collector has said so yet",
            )
        )
        batch_op.add_column(
            sa.Column(
                "load_share",
                sa.Float(),
                nullable=True,
                comment="of the time, what the scheduler's commands may take; 0 or NULL: no limit",
            )
        )
        batch_op.add_column(
            sa.Column("query_parts", sa.Text(), nullable=True, comment="JSON {listing: seconds} of the same")
        )
    # What older polls tell is read by the wished period, which was the only one: their rows need not be touched.
    op.add_column(
        "poll",
        sa.Column(
            "period_seconds",
            sa.Integer(),
            nullable=True,
            comment="in which the next report was awaited; NULL if it brought none, or is of a version that kept none",
        ),
    )
    op.execute("UPDATE cluster SET wished_seconds = period_seconds")
