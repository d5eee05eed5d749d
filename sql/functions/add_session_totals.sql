-- add_session_totals: a trigger after each statement on `sessions`. It adds a row to session_totals with the change
-- that the statement made. It runs with its owner's rights: a login that may write sessions needs no right on the
-- totals.

CREATE OR REPLACE FUNCTION add_session_totals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
DECLARE
    noted text;
    added bigint;
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO session_totals (sessions, completed, seconds)
        SELECT count(*), count(completed_at), coalesce(sum(session_seconds(started_at, completed_at)), 0)
          FROM new_rows
        HAVING count(*) > 0
        RETURNING id INTO added;
    WHEN 'DELETE' THEN
        INSERT INTO session_totals (sessions, completed, seconds)
        SELECT -count(*), -count(completed_at), -coalesce(sum(session_seconds(started_at, completed_at)), 0)
          FROM old_rows
        HAVING count(*) > 0
        RETURNING id INTO added;
    WHEN 'UPDATE' THEN
        noted := current_setting('session_store.noted', true);
        IF noted <> '' THEN
            PERFORM set_config('session_store.noted', '', true);
            INSERT INTO session_totals (sessions, completed, seconds)
            VALUES (0, split_part(noted, ' ', 1)::bigint, split_part(noted, ' ', 2)::numeric)
            RETURNING id INTO added;
        END IF;
    WHEN 'TRUNCATE' THEN
        TRUNCATE session_totals;  -- like the sessions: gone for every snapshot, back after a rollback
    END CASE;

    -- Rows are folded at READ COMMITTED only: an older snapshot fails on rows that another transaction has folded
    -- since. They are read in the order of the key. A scan, where sequential scans are off, has such a high cost that
    -- PostgreSQL compiles it for 100 ms.
    IF added % 512 = 0 AND current_setting('transaction_isolation') = 'read committed' THEN
        WITH folded AS (
            DELETE FROM session_totals
             WHERE id = ANY (ARRAY(SELECT id FROM session_totals ORDER BY id FOR UPDATE SKIP LOCKED))
            RETURNING sessions, completed, seconds
        )
        INSERT INTO session_totals (sessions, completed, seconds)
        SELECT sum(sessions), sum(completed), sum(seconds) FROM folded;
    END IF;
    RETURN NULL;
END
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION add_session_totals SET search_path = %I, pg_temp', current_schema());
END
$rights$;
