"""The public keys of collectors, for those who hear them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("collector", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "public_key",
                sa.String(length=40),
                nullable=True,
                comment="its CURVE key at both; NULL where they are open",
            )
        )
