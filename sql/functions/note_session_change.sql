-- note_session_change: a trigger for each updated row whose times changed. It adds the change of the totals to a
-- setting of the transaction. When the statement ends, add_session_totals reads the setting. A transition table would
-- hold every updated row, old and new, and make each update a tenth slower.
--
-- It looks up no object, because a writer may have any search_path. On a plain table it is an AFTER trigger, whose
-- result is ignored. On partitions it is a BEFORE trigger, because a row that moves to another partition has no AFTER
-- UPDATE.

CREATE OR REPLACE FUNCTION note_session_change() RETURNS trigger
LANGUAGE plpgsql
AS $function$
DECLARE
    noted text := coalesce(current_setting('session_store.noted', true), '');
    completed bigint := (NEW.completed_at IS NOT NULL)::int - (OLD.completed_at IS NOT NULL)::int;
    seconds numeric := CASE WHEN isfinite(NEW.started_at) AND isfinite(NEW.completed_at)
                            THEN extract(epoch FROM NEW.completed_at - NEW.started_at)::numeric ELSE 0 END
                     - CASE WHEN isfinite(OLD.started_at) AND isfinite(OLD.completed_at)
                            THEN extract(epoch FROM OLD.completed_at - OLD.started_at)::numeric ELSE 0 END;
BEGIN
    IF noted <> '' THEN
        completed := completed + split_part(noted, ' ', 1)::bigint;
        seconds := seconds + split_part(noted, ' ', 2)::numeric;
    END IF;
    PERFORM set_config('session_store.noted', completed || ' ' || seconds, true);
    RETURN NEW;
END
$function$;
