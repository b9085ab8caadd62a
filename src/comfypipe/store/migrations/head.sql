CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE "runs" (
    id VARCHAR(16) NOT NULL,
    name TEXT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    status VARCHAR(16) NOT NULL,
    plan_digest VARCHAR(64) NOT NULL,
    request_digest VARCHAR(64) NOT NULL,
    origin VARCHAR(16) NOT NULL,
    continues VARCHAR(16),
    owner VARCHAR(36) NOT NULL,
    backend TEXT NOT NULL,
    simulated BOOLEAN NOT NULL,
    cached BOOLEAN NOT NULL,
    inputs TEXT NOT NULL,
    seeds TEXT NOT NULL,
    outputs TEXT NOT NULL,
    steps TEXT NOT NULL,
    error TEXT,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    version VARCHAR(32) NOT NULL, batch_id VARCHAR(16), row_key VARCHAR(64),
    PRIMARY KEY (id)
);
CREATE TABLE "jobs" (
    id VARCHAR(36) NOT NULL,
    run_id VARCHAR(16) NOT NULL,
    step TEXT NOT NULL,
    item INTEGER,
    workflow TEXT NOT NULL,
    digest VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    simulated BOOLEAN NOT NULL,
    cached_from VARCHAR(36),
    inputs TEXT NOT NULL,
    prompt TEXT NOT NULL,
    models TEXT NOT NULL,
    error TEXT,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    PRIMARY KEY (id),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);
CREATE TABLE "attempts" (
    prompt_id VARCHAR(36) NOT NULL,
    job_id VARCHAR(36) NOT NULL,
    number INTEGER NOT NULL,
    backend TEXT NOT NULL,
    accelerator TEXT NOT NULL,
    status VARCHAR(16) NOT NULL,
    server TEXT,
    remote_id TEXT,
    error TEXT,
    execution_s FLOAT,
    created_ms BIGINT NOT NULL,
    submitted_ms BIGINT,
    ended_ms BIGINT,
    PRIMARY KEY (prompt_id),
    FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE TABLE "outputs" (
    job_id VARCHAR(36) NOT NULL,
    name TEXT NOT NULL,
    position INTEGER NOT NULL,
    node_id TEXT NOT NULL,
    sha256 VARCHAR(64),
    filename TEXT,
    size_bytes BIGINT,
    media_type TEXT,
    value TEXT, url TEXT,
    PRIMARY KEY (job_id, name, position),
    FOREIGN KEY(job_id) REFERENCES jobs (id)
);
CREATE TABLE batches (
    id VARCHAR(16) NOT NULL,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    settings TEXT NOT NULL,
    status VARCHAR(16) NOT NULL,
    owner VARCHAR(36) NOT NULL,
    total BIGINT,
    created_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    PRIMARY KEY (id)
);
CREATE INDEX attempts_by_job ON attempts (job_id);
CREATE INDEX attempts_by_status ON attempts (status);
CREATE INDEX jobs_by_digest ON jobs (digest, status);
CREATE INDEX jobs_by_run ON jobs (run_id);
CREATE INDEX outputs_by_artifact ON outputs (sha256);
CREATE INDEX runs_by_name ON runs (name, id);
CREATE INDEX runs_by_origin ON runs (origin);
CREATE INDEX runs_by_request ON runs (request_digest, id);
CREATE INDEX runs_by_row ON runs (batch_id, row_key);
CREATE INDEX runs_by_status ON runs (status, id);
INSERT INTO alembic_version (version_num) VALUES ('0002');
