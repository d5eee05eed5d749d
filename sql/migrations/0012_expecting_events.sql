-- An event that expects a revision never inserts a ledger entry: `apply_session_events` lets it pass only where it has seen
-- one. But that entry may go between its look and the insertion, when `remove_markers` forgets a delete that was long ago:
-- the insertion waits for it, finds none any more, and what should be a conflict was stored.
--
-- This refuses such a row, and the worker applies its batch again, which finds no entry then. The condition decides
-- without a call; a row that replaced an entry, as a restored one may have, is none of these.

CREATE OR REPLACE FUNCTION refuse_expecting_insertion() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE serialization_failure USING
        MESSAGE = format('the entry of the session that expects revision %s has just gone', NEW.expected_revision);
END
$function$;

DO $install$
BEGIN
    -- On Citus a distributed table has no triggers, and the function there holds the entry.
    IF to_regclass('session_buckets') IS NULL AND NOT EXISTS (
        SELECT FROM pg_trigger WHERE tgrelid = 'session_ledger'::regclass AND tgname = 'expecting_events_replace')
    THEN
        CREATE TRIGGER expecting_events_replace AFTER INSERT ON session_ledger FOR EACH ROW
            WHEN (NEW.expected_revision > 0 AND NEW.replaced_revision IS NULL) EXECUTE FUNCTION refuse_expecting_insertion();
    END IF;
END
$install$;

INSERT INTO session_store_migrations (version, name) VALUES (12, 'expecting_events') ON CONFLICT DO NOTHING;
