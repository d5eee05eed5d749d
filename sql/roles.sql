-- The rights of each role. Run it as a superuser with psql in the database of the sessions, after every migration;
-- another run changes nothing:
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/roles.sql
--
--     session_store_owner    owns the objects; for migrations, by a login that is its member. A login that owned the table before,
--                            as the storage plugin's may, loses it: make it a member too while it writes
--     session_store_worker   reads sessions, and calls the functions that apply events and mark erasures; for workers
--     session_store_janitor  reads old sessions, and calls the functions that apply deletes, mark erasures and delete tombstones;
--                            for `session-store retain` and `session-store erase`
--     session_store_reader   reads sessions; for reports and people
--
-- None of the last three writes to a table: they call functions, which enforce the order law. They may log in once
-- they have a password (\password session_store_worker) or a certificate. Their limits are settings of the role,
-- which members do not inherit: log in as the role itself. The limit of connections is set when the role is made;
-- change it with ALTER ROLE … CONNECTION LIMIT.

DO $roles$
DECLARE
    login record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'session_store_owner') THEN
        CREATE ROLE session_store_owner NOLOGIN;
    END IF;
    FOR login IN
        SELECT * FROM (VALUES ('session_store_worker', -1), ('session_store_janitor', 20),
                              ('session_store_reader', 20)) AS made (name, connections)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login.name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN CONNECTION LIMIT %s', login.name, login.connections);
        END IF;
        EXECUTE format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', login.name);
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), login.name);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), login.name);
    END LOOP;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO session_store_owner', current_schema());
    -- The rights that every login has by default: to make tables, permanent or temporary.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$roles$;

ALTER ROLE session_store_worker SET statement_timeout = '30s';
ALTER ROLE session_store_worker SET lock_timeout = '5s';
ALTER ROLE session_store_worker SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE session_store_worker SET default_transaction_isolation = 'read committed';

ALTER ROLE session_store_janitor SET statement_timeout = '60s';
ALTER ROLE session_store_janitor SET lock_timeout = '5s';
ALTER ROLE session_store_janitor SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE session_store_janitor SET default_transaction_isolation = 'read committed';

ALTER ROLE session_store_reader SET statement_timeout = '10s';
ALTER ROLE session_store_reader SET lock_timeout = '1s';
ALTER ROLE session_store_reader SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE session_store_reader SET default_transaction_read_only = on;

REVOKE ALL ON FUNCTION apply_session_events FROM PUBLIC;
REVOKE ALL ON FUNCTION delete_sessions FROM PUBLIC, session_store_worker;
REVOKE ALL ON FUNCTION mark_erasure FROM PUBLIC;
REVOKE ALL ON FUNCTION removed_since_erasure FROM PUBLIC;
REVOKE ALL ON FUNCTION delete_tombstones FROM PUBLIC, session_store_worker;
REVOKE ALL ON FUNCTION exact_session_stats FROM PUBLIC;
REVOKE ALL ON FUNCTION get_session_stats FROM PUBLIC;

-- Rights that the role does not need, from any grantor.
REVOKE INSERT, UPDATE, DELETE ON sessions, session_ledger FROM session_store_worker;
REVOKE ALL ON session_erasures FROM session_store_worker;
REVOKE ALL ON active_sessions FROM session_store_worker;

GRANT SELECT ON sessions, session_ledger, session_totals, session_store_migrations TO session_store_worker;
GRANT SELECT ON sessions, session_ledger, session_store_migrations TO session_store_janitor;
GRANT SELECT ON sessions, session_totals, active_sessions TO session_store_reader;

GRANT EXECUTE ON FUNCTION apply_session_events TO session_store_worker;
GRANT EXECUTE ON FUNCTION delete_sessions TO session_store_janitor;
GRANT EXECUTE ON FUNCTION mark_erasure TO session_store_worker, session_store_janitor;
GRANT EXECUTE ON FUNCTION removed_since_erasure TO session_store_worker, session_store_janitor;
GRANT EXECUTE ON FUNCTION delete_tombstones TO session_store_janitor;
GRANT EXECUTE ON FUNCTION exact_session_stats, get_session_stats TO session_store_worker, session_store_reader;

-- Ownership comes last, because its locks keep out all others until the end of the transaction. It changes only where
-- it differs, so another run waits for nothing. The tables are locked first, in the order of apply_session_events.
-- session_erasures comes first, for a second at most: running calls end, and new ones wait. The others follow, for
-- 150 ms each. A transaction that locked those in another order, as a reader may, has not begun to look for a
-- deadlock by then (deadlock_timeout, 1 s). This block then releases its locks, lets the others continue, and tries
-- again.
DO $ownership$
DECLARE
    tables   CONSTANT text[] := ARRAY[
        'session_erasures',
        'session_ledger',
        'sessions',
        'session_totals',
        'session_store_migrations'];
    routines CONSTANT text[] := ARRAY[
        'delete_sessions',
        'mark_erasure',
        'removed_since_erasure',
        'delete_tombstones',
        'refuse_lower_revision',
        'refuse_older_session',
        'refuse_expecting_insertion',
        'event_wins',
        'event_outcome',
        'advance_ledger',
        'ledger_entries',
        'store_sessions',
        'exact_session_stats',
        'get_session_stats',
        'session_seconds',
        'note_session_change',
        'add_session_totals',
        'adopt_inserted_sessions',
        'apply_session_events'];
    of_one_layout CONSTANT text[] := ARRAY[
        'stored_sessions',
        'note_session_place',
        'mirror_sessions',
        'mirror_changes',
        'copy_sessions'];
    routine  regprocedure;
    named    text;
    holders  text;
BEGIN
    FOR routine IN
        SELECT oid FROM pg_proc
         WHERE proowner <> 'session_store_owner'::regrole
           AND (oid IN (SELECT name::regproc FROM unnest(routines) AS name)
                OR oid IN (SELECT to_regproc(name) FROM unnest(of_one_layout) AS name))
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO session_store_owner', routine);
    END LOOP;

    PERFORM FROM pg_class
      WHERE oid IN (SELECT name::regclass FROM unnest(tables || 'active_sessions'::text) AS name)
        AND relowner <> 'session_store_owner'::regrole;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR attempt IN 1..20 LOOP
        BEGIN
            PERFORM set_config('lock_timeout', '1s', true);
            LOCK TABLE session_erasures IN ACCESS EXCLUSIVE MODE;
            PERFORM set_config('lock_timeout', '150ms', true);
            ALTER VIEW active_sessions OWNER TO session_store_owner;
            FOREACH named IN ARRAY tables LOOP
                EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', named);
            END LOOP;
            FOREACH named IN ARRAY tables LOOP
                EXECUTE format('ALTER TABLE %I OWNER TO session_store_owner', named);
            END LOOP;
            FOR named IN
                SELECT relid::regclass::text
                  FROM unnest(ARRAY['sessions', 'sessions_by_date']) AS parent (name),
                       pg_partition_tree(to_regclass(parent.name))
            LOOP
                EXECUTE format('ALTER TABLE %s OWNER TO session_store_owner', named);
            END LOOP;
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            SELECT string_agg(DISTINCT pid::text, ', ') INTO holders
              FROM pg_locks
             WHERE granted AND pid <> pg_backend_pid()
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND relation IN (SELECT name::regclass FROM unnest(tables || 'active_sessions'::text) AS name);
        END;
        PERFORM pg_sleep(0.1 + 0.2 * random());
    END LOOP;
    RAISE lock_not_available USING
        MESSAGE = 'the tables are in use: session_store_owner could not become their owner, and nothing was changed',
        DETAIL = 'Transactions that hold a lock on them now: ' || coalesce('pid ' || holders, 'none any more') || '.',
        HINT = 'Run this file again once long transactions, such as pg_dump or an export, have ended.';
END
$ownership$;
