-- The rights in the schema that this role has and the worker's role in sql/roles.sql has not, with the statement that
-- revokes each. Functions that run with their owner's rights count; functions that only a trigger can call do not.
SELECT format('REVOKE %s ON %I FROM %I, PUBLIC', privilege, relname, current_user) AS statement,
       privilege || ' on ' || relname AS name
  FROM pg_class, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
 WHERE relnamespace = current_schema()::regnamespace
   AND relkind IN ('r', 'p', 'v', 'm', 'f')
   AND has_table_privilege(pg_class.oid, privilege)
   AND NOT (privilege = 'SELECT'
            AND relname IN ('sessions', 'session_ledger', 'session_totals', 'session_store_migrations'))
 UNION ALL
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM %I, PUBLIC', pg_proc.oid::regprocedure, current_user),
       'EXECUTE on ' || proname
  FROM pg_proc
 WHERE pronamespace = current_schema()::regnamespace
   AND prosecdef
   AND prorettype <> 'trigger'::regtype
   AND has_function_privilege(pg_proc.oid, 'EXECUTE')
   AND proname NOT IN ('apply_session_events', 'mark_erasure', 'removed_since_erasure')
 UNION ALL
SELECT format('REVOKE CREATE ON SCHEMA %I FROM %I, PUBLIC', current_schema(), current_user), 'CREATE on the schema'
 WHERE has_schema_privilege(current_schema(), 'CREATE')
 UNION ALL
SELECT format('REVOKE %s ON DATABASE %I FROM %I, PUBLIC', privilege, current_database(), current_user),
       privilege || ' on the database'
  FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS privilege
 WHERE has_database_privilege(current_database(), privilege)
