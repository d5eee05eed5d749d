-- The owner of the schema, and the login that may change it. Run it as a superuser in the database of the sessions,
-- before the first migration; another run changes nothing:
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/owner.sql
--
--     session_store_owner     owns the objects and does not log in
--     session_store_migrator  logs in and acts as the owner from the start, so that the owner owns the objects of a migration;
--                             for `session-store migrate` and `partition`
--
-- roles.sql gives the other logins their rights, after the first migration.

DO $owner$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'session_store_owner') THEN
        CREATE ROLE session_store_owner NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'session_store_migrator') THEN
        CREATE ROLE session_store_migrator LOGIN CONNECTION LIMIT 20;
    END IF;
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO session_store_migrator', current_database());
    EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO session_store_owner', current_schema());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO session_store_migrator', current_schema());
    -- Before PostgreSQL 15 every login may create tables here, and a worker's login may exist before roles.sql runs.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
END
$owner$;

ALTER ROLE session_store_migrator NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT session_store_owner TO session_store_migrator;
ALTER ROLE session_store_migrator SET role = 'session_store_owner';
