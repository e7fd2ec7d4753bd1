-- Schema 1. Append-only: once released this file is never edited; changes come as further files.
--
-- Times are RFC 3339 in UTC with exactly three digits of fraction, so that the order of the texts is
-- the order in time. `document` is the job itself as JSON; the other columns of `jobs` are derived
-- from it (src/store/row.rs) and exist to be searched and to be read by people with any SQLite tool.
-- A change that an older program could not read raises the schema version, even if no table changes.

PRAGMA application_id = 0x4E414D44; -- "NAMD"

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tells one database from another, so that a client's sequence number is never used on a stranger.
INSERT INTO meta VALUES ('store_id', lower(hex(randomblob(16))));

CREATE TABLE jobs (
    job_id              TEXT    NOT NULL PRIMARY KEY,
    job_name            TEXT    NOT NULL,
    slurm_job_id        TEXT,             -- of the newest attempt
    status              TEXT    NOT NULL, -- CREATED PENDING RUNNING COMPLETED FAILED CANCELLED UNKNOWN
    phase               TEXT    NOT NULL,
    created_at          TEXT    NOT NULL,
    updated_at          TEXT    NOT NULL,
    status_since        TEXT    NOT NULL,
    submitted_at        TEXT,             -- of the newest attempt
    completed_at        TEXT,
    cluster             TEXT    NOT NULL,
    project_dir         TEXT    NOT NULL,
    scratch_dir         TEXT    NOT NULL,
    config_path         TEXT    NOT NULL,
    config_sha256       TEXT    NOT NULL,
    attempt             INTEGER NOT NULL, -- 0 before the first submit
    tag                 TEXT,             -- of the newest attempt
    error_info          TEXT,             -- JSON
    cancel_asked_at     TEXT,
    delete_asked_at     TEXT,
    archive_asked_at    TEXT,
    unconfirmed_since   TEXT,             -- since when whole answers of the queue lack the job
    unconfirmed_answers INTEGER,          -- and how many did
    idempotency_key     TEXT,
    hidden              INTEGER NOT NULL, -- 1: an intent, its files are still on their way
    active              INTEGER NOT NULL, -- 1: the cluster must be asked about it
    search              TEXT    NOT NULL, -- lower case: name, ids, label values
    document            TEXT    NOT NULL  -- JSON; last, so that a scan of the others skips it
) STRICT;

-- One index for each question that is asked.
CREATE INDEX jobs_newest ON jobs (created_at, job_id) WHERE hidden = 0;
CREATE INDEX jobs_by_status ON jobs (status, created_at, job_id) WHERE hidden = 0;
CREATE INDEX jobs_by_cluster ON jobs (cluster, created_at, job_id) WHERE hidden = 0;
CREATE INDEX jobs_by_config ON jobs (config_path, created_at, job_id) WHERE hidden = 0;
CREATE INDEX jobs_active ON jobs (cluster, created_at) WHERE active = 1;
CREATE INDEX jobs_ended ON jobs (cluster, status_since) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_hidden ON jobs (created_at) WHERE hidden = 1;
CREATE INDEX jobs_deleting ON jobs (delete_asked_at) WHERE delete_asked_at IS NOT NULL;
CREATE INDEX jobs_by_tag ON jobs (tag) WHERE tag IS NOT NULL;
CREATE UNIQUE INDEX jobs_by_key ON jobs (cluster, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- `id` is the sequence number clients see. AUTOINCREMENT never gives a number twice, and its counter
-- (in sqlite_sequence) is the one counter of the store: tombstones take their numbers from it too.
CREATE TABLE job_status_history (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id          TEXT    NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    status          TEXT    NOT NULL,
    timestamp       TEXT    NOT NULL,
    source          TEXT    NOT NULL, -- who witnessed it: local squeue sacct marker log user
    from_status     TEXT,             -- NULL: the job's first row
    phase           TEXT    NOT NULL,
    evidence        TEXT,             -- the raw line
    attempt         INTEGER NOT NULL,
    seconds_in_from INTEGER NOT NULL
) STRICT;
CREATE INDEX history_by_job ON job_status_history (job_id, id);

-- Without this row the counter would not exist before the first change.
INSERT INTO sqlite_sequence (name, seq) VALUES ('job_status_history', 0);

-- What is left of a deleted job: enough to tell clients, and not to discover it anew.
CREATE TABLE deleted_jobs (
    seq          INTEGER PRIMARY KEY,
    job_id       TEXT NOT NULL,
    job_name     TEXT NOT NULL,
    cluster      TEXT NOT NULL,
    slurm_job_id TEXT,
    status       TEXT NOT NULL,
    deleted_at   TEXT NOT NULL
) STRICT;
CREATE INDEX deleted_by_job ON deleted_jobs (job_id);

-- The NAMD config as it was when the job was made, byte for byte (not all of them are UTF-8).
CREATE TABLE job_config (
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (job_id) ON DELETE CASCADE,
    text   BLOB NOT NULL
) STRICT;

-- How far a run is, and how far its log has been read. Written often, told without a number, and
-- without history.
CREATE TABLE progress (
    job_id     TEXT    NOT NULL PRIMARY KEY REFERENCES jobs (job_id) ON DELETE CASCADE,
    attempt    INTEGER NOT NULL,
    log_offset INTEGER NOT NULL,
    updated_at TEXT    NOT NULL,
    document   TEXT    NOT NULL
) STRICT;

-- What was found out about a cluster (JSON), and when it last answered.
CREATE TABLE cluster_state (
    name      TEXT NOT NULL PRIMARY KEY,
    facts     TEXT,
    last_sync TEXT
) STRICT;
