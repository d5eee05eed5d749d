-- The rights that the worker's role in sql/roles.sql has and this role has not, as the statement that grants each.
-- Missing objects are left out.
SELECT format('GRANT %s ON %I TO %I', granted, object, current_user) AS statement,
       granted || ' on ' || object AS name
  FROM (VALUES ('sessions', 'SELECT'), ('session_ledger', 'SELECT'), ('session_totals', 'SELECT'),
               ('session_store_migrations', 'SELECT')) AS wanted (object, granted)
 WHERE NOT coalesce(has_table_privilege(to_regclass(object), granted), true)
 UNION ALL
SELECT format('GRANT EXECUTE ON FUNCTION %I TO %I', object, current_user),
       'EXECUTE on ' || object
  FROM (VALUES ('apply_session_events'), ('mark_erasure'), ('removed_since_erasure'),
              ('exact_session_stats'))
       AS wanted (object)
 WHERE NOT coalesce(has_function_privilege(to_regproc(object), 'EXECUTE'), true)
 UNION ALL
SELECT format('GRANT USAGE ON SCHEMA public TO %I', current_user), 'USAGE on a schema of search_path'
 WHERE current_schema() IS NULL
