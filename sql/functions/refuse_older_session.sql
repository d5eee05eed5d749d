-- refuse_older_session: as refuse_lower_revision, for `sessions`, where a revision may decrease to that of the
-- ledger. The storage plugin follows no order. The next event of a session replaces the plugin's row, whatever
-- revision the row has.

CREATE OR REPLACE FUNCTION refuse_older_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    IF EXISTS (SELECT FROM session_ledger AS entry
                WHERE entry.session_id = NEW.session_id
                  AND entry.revision = NEW.revision
                  AND entry.outcome = 'stored') THEN
        RETURN NEW;
    END IF;
    RAISE check_violation USING
        MESSAGE = format('a revision never goes down: %s after %s', NEW.revision, OLD.revision),
        CONSTRAINT = 'revisions_only_rise', TABLE = TG_TABLE_NAME;
END
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION refuse_older_session SET search_path = %I, pg_temp', current_schema());
END
$rights$;
