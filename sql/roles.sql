-- Who may do what. Run by a superuser with psql in the database of the sessions, after every migration;
-- running it again changes nothing:
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/roles.sql
--
-- session_store_owner   owns the objects; for migrations, by a login that is its member. A login that owned
--                       the table before, as the storage plugin's may, no longer does: make it a member too
--                       for as long as it writes
-- session_store_worker  reads and writes sessions; for workers
-- session_store_reader  reads sessions; for reports and people
--
-- The last two may log in once they have a password (\password session_store_worker) or a certificate.
-- Their limits are settings of the role, which members do not inherit: log in as the role itself.

DO $roles$
DECLARE
    login text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'session_store_owner') THEN
        CREATE ROLE session_store_owner NOLOGIN;
    END IF;
    FOREACH login IN ARRAY ARRAY['session_store_worker', 'session_store_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', login);
        END IF;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), login);
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), login);
    END LOOP;
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO session_store_owner', current_schema());
END
$roles$;

ALTER ROLE session_store_worker SET statement_timeout = '30s';
ALTER ROLE session_store_worker SET lock_timeout = '5s';
ALTER ROLE session_store_worker SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE session_store_worker SET default_transaction_isolation = 'read committed';

ALTER ROLE session_store_reader SET statement_timeout = '10s';
ALTER ROLE session_store_reader SET lock_timeout = '1s';
ALTER ROLE session_store_reader SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE session_store_reader SET default_transaction_read_only = on;

ALTER TABLE session_store_migrations OWNER TO session_store_owner;
ALTER TABLE sessions OWNER TO session_store_owner;
ALTER TABLE session_ledger OWNER TO session_store_owner;
ALTER TABLE session_totals OWNER TO session_store_owner;
ALTER TABLE session_erasures OWNER TO session_store_owner;
ALTER VIEW active_sessions OWNER TO session_store_owner;
ALTER FUNCTION get_session_stats OWNER TO session_store_owner;
ALTER FUNCTION apply_session_events OWNER TO session_store_owner;
ALTER FUNCTION session_seconds OWNER TO session_store_owner;
ALTER FUNCTION note_session_change OWNER TO session_store_owner;
ALTER FUNCTION add_session_totals OWNER TO session_store_owner;

REVOKE ALL ON FUNCTION get_session_stats, apply_session_events FROM PUBLIC;

GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, session_ledger TO session_store_worker;
GRANT SELECT, INSERT, UPDATE ON session_erasures TO session_store_worker;
GRANT SELECT ON session_totals, active_sessions, session_store_migrations TO session_store_worker;
GRANT EXECUTE ON FUNCTION get_session_stats, apply_session_events TO session_store_worker;

GRANT SELECT ON sessions, session_totals, active_sessions TO session_store_reader;
GRANT EXECUTE ON FUNCTION get_session_stats TO session_store_reader;
