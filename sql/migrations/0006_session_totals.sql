-- Statistics of all sessions without reading all sessions: every statement that writes to `sessions`, whoever
-- sends it, adds a row that says by how much it changed the totals. The sum of the rows is the totals, exactly, in every
-- snapshot: a change and its row commit together.
--
-- Rows are only added, so writers never wait for each other here, and nothing can deadlock. One in 512 takes those
-- that nobody has locked and puts their sum in their place.

CREATE TABLE IF NOT EXISTS session_totals (
    id        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sessions  bigint  NOT NULL,
    completed bigint  NOT NULL,
    seconds   numeric NOT NULL  -- from start to completion
);

-- How long a session took; null when it is not complete, 0 when a time of it is infinite.
CREATE OR REPLACE FUNCTION session_seconds(p_started_at timestamptz, p_completed_at timestamptz) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT CASE WHEN isfinite(p_started_at) AND isfinite(p_completed_at)
                THEN extract(epoch FROM p_completed_at - p_started_at)::numeric
                WHEN p_completed_at IS NOT NULL THEN 0 END
$function$;

-- For each updated row whose times changed: what that changes, added up in a setting of the transaction until the
-- statement ends. A transition table would hold every updated row, old and new, and cost each update a tenth.
-- It looks up nothing: a writer may have any search_path.
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
    RETURN NULL;
END
$function$;

-- After each statement: what it changed becomes a row. It runs as its owner, so that whoever may write sessions
-- needs no right on the totals.
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

DO $install$
DECLARE
    reader text;
BEGIN
    -- What runs with the owner's rights must not find a table of the caller's first.
    EXECUTE format('ALTER FUNCTION add_session_totals() SET search_path = %I, pg_temp', current_schema());

    IF NOT EXISTS (SELECT FROM pg_trigger
                    WHERE tgrelid = 'sessions'::regclass AND tgname = 'session_totals_insert') THEN
        CREATE TRIGGER session_totals_insert AFTER INSERT ON sessions REFERENCING NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
        CREATE TRIGGER session_totals_delete AFTER DELETE ON sessions REFERENCING OLD TABLE AS old_rows
            FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
        CREATE TRIGGER session_totals_truncate AFTER TRUNCATE ON sessions
            FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
        CREATE TRIGGER session_totals_note AFTER UPDATE ON sessions FOR EACH ROW
            WHEN (OLD.completed_at IS DISTINCT FROM NEW.completed_at OR OLD.started_at <> NEW.started_at)
            EXECUTE FUNCTION note_session_change();
        CREATE TRIGGER session_totals_update AFTER UPDATE ON sessions
            FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
    END IF;

    -- Who may read sessions may read their totals.
    FOR reader IN
        SELECT CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END
          FROM pg_class, aclexplode(relacl) AS held
         WHERE pg_class.oid = 'sessions'::regclass AND held.privilege_type = 'SELECT'
           AND held.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('GRANT SELECT ON session_totals TO %s', reader);
    END LOOP;
END
$install$;

INSERT INTO session_store_migrations (version, name) VALUES (6, 'session_totals') ON CONFLICT DO NOTHING;
