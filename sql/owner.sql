-- Who owns the schema, and who may change it. Run by a superuser in the database of the sessions, before the first
-- migration; running it again changes nothing:
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/owner.sql
--
-- session_store_owner     owns the objects and does not log in
-- session_store_migrator  logs in and acts as the owner from the start, so that what a migration makes is the owner's;
--                         for `session-store migrate` and `partition`
--
-- The rights of the logins that use the objects are given in roles.sql, once there are objects.

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
    -- Before PostgreSQL 15 everybody may create tables here, and a worker's login may exist before roles.sql runs.
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
END
$owner$;

ALTER ROLE session_store_migrator NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT session_store_owner TO session_store_migrator;
ALTER ROLE session_store_migrator SET role = 'session_store_owner';
