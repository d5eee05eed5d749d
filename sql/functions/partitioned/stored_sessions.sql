-- stored_sessions: sessions by id, in no order; those that are not there are left out. It reads the ledger first: with the
-- place in hand one partition is opened and read. The plan is kept, because one for these very values would cost more than it
-- reads; it has every partition, of which all but one are removed before it begins.

DO $layout$ BEGIN IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'sessions'::regclass) THEN

CREATE OR REPLACE FUNCTION stored_sessions(p_session_ids text[]) RETURNS SETOF sessions
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT session_id, started_at AS place
          FROM session_ledger
         WHERE session_id = ANY (p_session_ids) AND outcome = 'stored'
    LOOP
        IF wanted.place IS NOT NULL THEN
            RETURN QUERY SELECT * FROM sessions WHERE session_id = wanted.session_id AND started_at = wanted.place;
        ELSE
            RETURN QUERY SELECT * FROM sessions WHERE session_id = wanted.session_id;
        END IF;
    END LOOP;
END
$function$;

END IF; END $layout$;
