-- Begins to partition `sessions` by started_at. It makes an empty partitioned table beside it, sessions_by_date,
-- which gets every change from the end of this transaction on. Then copy_sessions copies the rest, and swap.sql
-- replaces the plain table.
--
-- No event is applied while this runs: it waits for the calls in flight, and the next ones wait for it.

LOCK TABLE session_erasures IN EXCLUSIVE MODE;
LOCK TABLE sessions IN SHARE ROW EXCLUSIVE MODE;

DO $begin$
DECLARE
    plain    CONSTANT regclass := 'sessions';
    owner    CONSTANT text := (SELECT relowner::regrole FROM pg_class WHERE oid = plain);
    options  CONSTANT text := (SELECT 'WITH (' || array_to_string(reloptions, ', ') || ')' FROM pg_class WHERE oid = plain);
    names    CONSTANT text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                                WHERE attrelid = plain AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
    excluded CONSTANT text := (SELECT string_agg(format('%1$I = excluded.%1$I', attname), ', ' ORDER BY attnum)
                                 FROM pg_attribute
                                WHERE attrelid = plain AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                                  AND attname NOT IN ('session_id', 'started_at'));
    obstacle text;
    index    record;
BEGIN
    -- First it refuses objects that a partitioned table cannot have, or that would not be carried over.
    SELECT string_agg(found.obstacle, '; ') INTO obstacle
      FROM (SELECT 'PostgreSQL is older than 13' WHERE current_setting('server_version_num')::integer < 130000
             UNION ALL
            SELECT 'unique index ' || indexrelid::regclass FROM pg_index
             WHERE indrelid = plain AND indisunique AND NOT indisprimary
             UNION ALL
            SELECT format('foreign key %I on %s', conname, conrelid::regclass) FROM pg_constraint
             WHERE contype = 'f' AND plain IN (conrelid, confrelid)
             UNION ALL
            SELECT format('grant on column %I', attname) FROM pg_attribute WHERE attrelid = plain AND attacl IS NOT NULL
             UNION ALL
            SELECT 'row security' FROM pg_class WHERE oid = plain AND relrowsecurity
             UNION ALL
            SELECT format('rule %I', rulename) FROM pg_rewrite WHERE ev_class = plain
             UNION ALL
            SELECT 'table that inherits from it, ' || inhrelid::regclass FROM pg_inherits WHERE inhparent = plain
             UNION ALL
            SELECT 'publication of it' FROM pg_publication_rel WHERE prrelid = plain
             UNION ALL
            SELECT format('trigger %I with a transition table for each row', tgname) FROM pg_trigger
             WHERE tgrelid = plain AND tgtype & 1 = 1 AND (tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL)
             UNION ALL
            SELECT 'materialized view ' || pg_class.oid::regclass
              FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid JOIN pg_class ON pg_class.oid = ev_class
             WHERE refobjid = plain AND relkind = 'm') AS found (obstacle);
    IF obstacle IS NOT NULL THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'sessions cannot be partitioned as it is: ' || obstacle, HINT = 'Remove that first.';
    END IF;

    CREATE TABLE sessions_by_date (LIKE sessions INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY (session_id, started_at))
        PARTITION BY RANGE (started_at);
    EXECUTE format('CREATE TABLE sessions_default PARTITION OF sessions_by_date DEFAULT %s', options);
    EXECUTE format('ALTER TABLE sessions_by_date OWNER TO %s', owner);
    EXECUTE format('ALTER TABLE sessions_default OWNER TO %s', owner);
    FOR index IN
        SELECT relname, pg_get_indexdef(indexrelid) AS definition
          FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
         WHERE indrelid = plain AND NOT indisprimary AND indisvalid
    LOOP
        EXECUTE format('CREATE INDEX %I ON sessions_by_date ', 'by_date_' || index.relname)
                || substring(index.definition FROM 'USING .*');
    END LOOP;

    -- mirror_sessions: copies these sessions from the plain table to the partitioned one, and notes their place in
    -- the ledger. Its caller has locked the ledger's rows, and takes this statement's snapshot while they are locked.
    EXECUTE format($mirror$
    CREATE FUNCTION mirror_sessions(p_session_ids text[]) RETURNS void
    LANGUAGE plpgsql
    AS $function$
    DECLARE
        moved record;
    BEGIN
        FOR moved IN
            SELECT entry.session_id, entry.started_at
              FROM session_ledger AS entry LEFT JOIN sessions AS plain USING (session_id)
             WHERE entry.session_id = ANY (p_session_ids) AND entry.started_at IS NOT NULL
               AND plain.started_at IS DISTINCT FROM entry.started_at
        LOOP
            DELETE FROM sessions_by_date WHERE session_id = moved.session_id AND started_at = moved.started_at;
        END LOOP;
        INSERT INTO sessions_by_date (%1$s)
        SELECT %1$s FROM sessions WHERE session_id = ANY (p_session_ids)
            ON CONFLICT (session_id, started_at) DO UPDATE SET %2$s;
        UPDATE session_ledger AS entry SET started_at = plain.started_at
          FROM session_ledger AS known LEFT JOIN sessions AS plain USING (session_id)
         WHERE entry.session_id = known.session_id AND known.session_id = ANY (p_session_ids)
           AND entry.started_at IS DISTINCT FROM plain.started_at;
    END
    $function$ $mirror$, names, excluded);

    -- copy_sessions: mirrors these sessions, and returns the number of those in the ledger.
    CREATE FUNCTION copy_sessions(p_session_ids text[]) RETURNS integer
    LANGUAGE plpgsql
    AS $function$
    DECLARE
        ids CONSTANT text[] := ARRAY(SELECT session_id FROM session_ledger WHERE session_id = ANY (p_session_ids)
                                      ORDER BY session_id COLLATE "C" FOR UPDATE);  -- in the order of the events' locks
    BEGIN
        PERFORM mirror_sessions(ids);
        RETURN cardinality(ids);
    END
    $function$;

    -- A statement's changes go to both tables. With the owner's rights: a login that may write sessions gets no more
    -- rights.
    CREATE FUNCTION mirror_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    AS $function$
    BEGIN
        PERFORM mirror_sessions(ARRAY(SELECT session_id FROM changed));
        RETURN NULL;
    END
    $function$;
    EXECUTE format('ALTER FUNCTION mirror_changes() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION mirror_changes OWNER TO %s', owner);
    EXECUTE format('ALTER FUNCTION mirror_sessions OWNER TO %s', owner);
    EXECUTE format('ALTER FUNCTION copy_sessions OWNER TO %s', owner);
    CREATE TRIGGER session_mirror_insert AFTER INSERT ON sessions REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION mirror_changes();
    CREATE TRIGGER session_mirror_update AFTER UPDATE ON sessions REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION mirror_changes();
    CREATE TRIGGER session_mirror_delete AFTER DELETE ON sessions REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION mirror_changes();

    -- The grants of the plain table.
    FOR index IN SELECT * FROM pg_class, aclexplode(relacl) AS held
                  WHERE pg_class.oid = plain AND held.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('GRANT %s ON sessions_by_date TO %s %s', index.privilege_type,
                       CASE WHEN index.grantee = 0 THEN 'PUBLIC' ELSE index.grantee::regrole::text END,
                       CASE WHEN index.is_grantable THEN 'WITH GRANT OPTION' END);
    END LOOP;
END
$begin$;
