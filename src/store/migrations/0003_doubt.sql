-- Schema 3. What every look at a cluster asks, without reading a document for it.

-- Whether a log has been read to its end, as the document says it. The index holds what is asked, so
-- that neither the row nor its JSON is read. (Of a generated column SQLite reads the row all the same.)
ALTER TABLE progress ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;
UPDATE progress SET closed = coalesce(json_extract(document, '$.closed'), 0);
CREATE INDEX progress_closed ON progress (job_id, attempt, closed, updated_at);

-- Members whose end nothing witnessed: few, and asked about again.
CREATE INDEX members_unwitnessed ON job_members (job_id, attempt) WHERE status = 'UNKNOWN';
