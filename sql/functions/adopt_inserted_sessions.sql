-- adopt_inserted_sessions: a trigger after each statement that inserted sessions, other than apply_session_events. It
-- writes their ledger entries as the adoption does: an event of the row's revision stored the session. Without an
-- entry a delete would be `absent`, and no write could expect the row's revision. The order law holds here too: a row
-- below its entry's revision changes no entry.
--
-- It runs with its owner's rights: a login that may insert sessions needs no right on the ledger.

CREATE OR REPLACE FUNCTION adopt_inserted_sessions() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    INSERT INTO session_ledger AS entry (session_id, revision, event_id, outcome)
    SELECT session_id, revision, md5(session_id)::uuid, 'stored'
      FROM new_rows
     ORDER BY session_id COLLATE "C"
    ON CONFLICT (session_id) DO UPDATE
       SET revision = excluded.revision,
           event_id = excluded.event_id,
           outcome = 'stored',
           deleted_at = NULL,
           expected_revision = NULL,
           replaced_revision = entry.revision,
           replaced_event_id = entry.event_id,
           replaced_outcome = entry.outcome,
           started_at = NULL
     WHERE (entry.revision, entry.event_id) < (excluded.revision, excluded.event_id);
    RETURN NULL;
END
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION adopt_inserted_sessions() SET search_path = %I, pg_temp', current_schema());
END
$rights$;
