-- Schema 3. What every look at a cluster and every list asks, without reading a document for it.

-- What came of a job's results, as JSON; and whether nothing is left to be done after its end: its log
-- read, its results in their place. The index holds what a look asks, so that neither the row nor a
-- document is read. (Of a generated column SQLite reads the row all the same.)
ALTER TABLE progress ADD COLUMN results TEXT;
ALTER TABLE progress ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
-- Ends that were read before there was any collecting are left as they are.
UPDATE progress SET settled = coalesce(json_extract(document, '$.closed'), 0);
CREATE INDEX progress_settled ON progress (job_id, attempt, settled, updated_at);

-- Members whose end nothing witnessed: few, and asked about again.
CREATE INDEX members_unwitnessed ON job_members (job_id, attempt) WHERE status = 'UNKNOWN';
