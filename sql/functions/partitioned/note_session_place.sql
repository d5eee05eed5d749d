-- note_session_place: a trigger for a session whose start was changed by SQL other than the events'. It notes the
-- session's new place in the ledger. It runs with its owner's rights: a login that may write sessions needs no right
-- on the ledger.

DO $layout$ BEGIN IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'sessions'::regclass) THEN

CREATE OR REPLACE FUNCTION note_session_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    UPDATE session_ledger SET started_at = NEW.started_at WHERE session_id = NEW.session_id;
    RETURN NEW;
END
$function$;

EXECUTE format('ALTER FUNCTION note_session_place SET search_path = %I, pg_temp', current_schema());

END IF; END $layout$;
