-- no-transaction
-- An order by completed_at ends with the sessions that have none, by session_id. This index has those, and only
-- those; without it a page of them walked through the complete ones too, or sorted all there are.
--
-- Built while everybody writes, so outside a transaction. A build that was interrupted leaves an index that is
-- not valid and never will be: it goes first.

DO $invalid$ BEGIN
    IF NOT (SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('idx_sessions_incomplete_by_id')) THEN
        DROP INDEX idx_sessions_incomplete_by_id; END IF; END
$invalid$;

-- squawk-ignore ban-concurrent-index-creation-in-transaction
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_sessions_incomplete_by_id ON sessions (session_id)
    WHERE completed_at IS NULL;

INSERT INTO session_store_migrations (version, name) VALUES (5, 'incomplete_by_id') ON CONFLICT DO NOTHING;
