-- note_session_place: a trigger for a session that SQL other than the events' moves to another start: the ledger then says
-- where it is. It runs with its owner's rights, so that a login that may write sessions needs none on the ledger.

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
