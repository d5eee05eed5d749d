-- stored_sessions: sessions by id, in no order; those that are not there are left out. It reads the ledger first: with the
-- place in hand one partition is opened and read. The plan is kept, because one for these very values would cost more than it
-- reads; it has every partition, of which all but one are removed before it begins. An id that the ledger does not have is
-- looked for in every partition: SQL other than the events' may have inserted the session.

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
        SELECT asked.session_id, ledger.started_at AS place
          FROM (SELECT DISTINCT unnest(p_session_ids) AS session_id) AS asked
          LEFT JOIN session_ledger AS ledger USING (session_id)
         WHERE ledger.outcome IS NULL OR ledger.outcome = 'stored'
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
