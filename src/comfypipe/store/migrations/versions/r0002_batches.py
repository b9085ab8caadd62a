"""Batches, outputs that stay where they were made, and JSON as text."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_JSON = {
    "runs": ("inputs", "seeds", "outputs", "steps", "error"),
    "jobs": ("inputs", "prompt", "models", "error"),
    "attempts": ("accelerator", "error"),
    "outputs": ("value",),
}


def upgrade() -> None:
    """
    Add them.

    SQLite takes a column that is declared as JSON for one of numbers: text that reads like a number becomes one, and
    one of more than 64 bits, or ``1.0``, does not come back as it was. Declared as text it does.
    """
    for table, columns in _JSON.items():
        with op.batch_alter_table(table) as batch:
            for column in columns:
                batch.alter_column(column, type_=sa.Text(), existing_type=sa.JSON())
    op.add_column("runs", sa.Column("batch_id", sa.String(length=16)))
    op.add_column("runs", sa.Column("row_key", sa.String(length=64)))
    op.create_index("runs_by_row", "runs", ["batch_id", "row_key"])
    op.add_column("outputs", sa.Column("url", sa.Text()))
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("owner", sa.String(length=36), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
