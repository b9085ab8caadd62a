"""The ledger's tables: runs, their jobs, the attempts at each, and what came out."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

runs = Table(
    "runs",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("plan_digest", String(64), nullable=False),
    Column("request_digest", String(64), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("continues", String(16)),
    Column("owner", String(36), nullable=False),
    Column("backend", Text, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("seeds", JSON, nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("version", String(32), nullable=False),
    Index("runs_by_request", "request_digest", "id"),
    Index("runs_by_status", "status", "id"),
    Index("runs_by_name", "name", "id"),
    Index("runs_by_origin", "origin"),
)
"""One row for each run: what was asked, and how it ended. *owner* names the process whose lock says it is alive."""

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("run_id", String(16), ForeignKey("runs.id"), nullable=False),
    Column("step", Text, nullable=False),
    Column("item", Integer),
    Column("workflow", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("cached_from", String(36)),
    Column("inputs", JSON, nullable=False),
    Column("prompt", JSON, nullable=False),
    Column("models", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("created_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Index("jobs_by_digest", "digest", "status"),
    Index("jobs_by_run", "run_id"),
)
"""One row for each prompt that a run needs: a step, or one item of a fan-out."""

attempts = Table(
    "attempts",
    metadata,
    Column("prompt_id", String(36), primary_key=True),
    Column("job_id", String(36), ForeignKey("jobs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("backend", Text, nullable=False),
    Column("accelerator", JSON, nullable=False),
    Column("status", String(16), nullable=False),
    Column("server", Text),
    Column("remote_id", Text),
    Column("error", JSON(none_as_null=True)),
    Column("execution_s", Float),
    Column("created_ms", BigInteger, nullable=False),
    Column("submitted_ms", BigInteger),
    Column("ended_ms", BigInteger),
    Index("attempts_by_job", "job_id"),
    Index("attempts_by_status", "status"),
)
"""One row for each submission, stored before anything is sent."""

outputs = Table(
    "outputs",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("node_id", Text, nullable=False),
    Column("sha256", String(64)),
    Column("filename", Text),
    Column("size_bytes", BigInteger),
    Column("media_type", Text),
    Column("value", JSON(none_as_null=True)),
    Index("outputs_by_artifact", "sha256"),
)
"""One row for each file, or plain value, that a job gave."""
