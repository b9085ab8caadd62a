"""
When runs' outputs and uploads were last named by a request, and what pruning has yet to clear away.

A leftover is a run of the ledger, or a stored file that may be nobody's now: its row comes in the transaction that
removes what it belonged to, and goes when it is cleared away, so that a process that ends in between leaves nothing.
"""

import sqlalchemy as sa
from alembic import op

revision = "s0003"
down_revision = "s0002"


def upgrade() -> None:
    """Add the columns, and the table."""
    op.add_column("runs", sa.Column("used_ms", sa.BigInteger(), nullable=True))
    op.add_column("uploads", sa.Column("used_ms", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE uploads SET used_ms = created_ms")
    op.create_index("uploads_by_use", "uploads", ["used_ms"], unique=False)
    op.create_index("uploads_by_digest", "uploads", ["sha256"], unique=False)
    op.create_table(
        "leftovers",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kind", "id"),
    )
