-- The ledger: one row for every session id ever seen, live or deleted. It holds the greatest event
-- applied so far, and is locked and compared before anything else, so that the order of events is
-- that of (revision, event_id), whatever the order in which they arrive.

CREATE TABLE IF NOT EXISTS session_ledger (
    session_id        varchar(255) PRIMARY KEY,
    revision          bigint       NOT NULL,
    event_id          uuid         NOT NULL,
    outcome           text         NOT NULL,  -- stored | deleted | absent (a delete that found nothing)
    deleted_at        timestamptz,            -- null while the session is live
    expected_revision bigint,                 -- what the event expected to replace; null: anything
    replaced_revision bigint,                 -- the entry before this one; null when this is the first
    replaced_event_id uuid,
    replaced_outcome  text,
    CONSTRAINT session_ledger_revision_is_exact_in_json CHECK (revision BETWEEN 1 AND 9007199254740991),
    CONSTRAINT session_ledger_outcome_is_known CHECK (outcome IN ('stored', 'deleted', 'absent')),
    CONSTRAINT session_ledger_deleted_or_live CHECK ((outcome = 'stored') = (deleted_at IS NULL))
) WITH (fillfactor = 80);

-- Rows that are in the table without an entry, written by the plugin that this program replaces: the
-- entry says that some event of their revision stored them. Running this file again, once nothing
-- else writes to the table, adopts what was written in the meantime.
INSERT INTO session_ledger (session_id, revision, event_id, outcome)
SELECT session_id, revision, md5(session_id)::uuid, 'stored'
  FROM sessions
    ON CONFLICT (session_id) DO NOTHING;

INSERT INTO session_store_migrations (version, name) VALUES (2, 'session_ledger') ON CONFLICT DO NOTHING;
