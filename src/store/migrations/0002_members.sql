-- Schema 2. The members of arrays, each with what is known of it: changed with its job, in the same
-- transaction. A member that waits as its array was submitted has no row.

CREATE TABLE job_members (
    job_id   TEXT    NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    attempt  INTEGER NOT NULL,
    member   INTEGER NOT NULL,
    status   TEXT    NOT NULL, -- PENDING RUNNING COMPLETED FAILED CANCELLED UNKNOWN
    document TEXT    NOT NULL, -- JSON
    PRIMARY KEY (job_id, attempt, member)
) STRICT, WITHOUT ROWID;
