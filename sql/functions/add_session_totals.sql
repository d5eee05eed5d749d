-- add_session_totals: a trigger after each statement on `sessions`, which adds a row to session_totals: by how much the
-- statement changed them. It runs with its owner's rights, so that a login that may write sessions needs none on the totals.

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

    -- An older snapshot could not pass over what others have folded since; it would fail. In order of the key, because a
    -- scan of the table counts as so dear where those are switched off that PostgreSQL compiles it, for 100 ms.
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
