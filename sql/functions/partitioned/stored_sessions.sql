-- stored_sessions: sessions by id, in no order; unknown ids are left out. It reads the place in the ledger first, so
-- that only one partition is opened and read. The plan is kept, because a plan for the actual values would cost more
-- than the read. It has every partition, and all but one are excluded before it runs. An id without a ledger entry is
-- looked up in every partition: SQL other than the events' may have inserted the session.

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
