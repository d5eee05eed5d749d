-- Functions of ours with a search_path of another schema than their own, as after ALTER SCHEMA … RENAME, with the
-- statement that corrects each. The schema is the one whose migrations the caller sees.
SELECT format('ALTER FUNCTION %s SET search_path = %I, pg_temp', function.oid::regprocedure, namespace.nspname) AS statement,
       function.proname AS name
  FROM pg_class AS migrations
  JOIN pg_namespace AS namespace ON namespace.oid = migrations.relnamespace
  JOIN pg_proc AS function ON function.pronamespace = namespace.oid
 WHERE migrations.oid = to_regclass('session_store_migrations')
   AND function.proname IN ('add_session_totals', 'adopt_inserted_sessions', 'apply_session_events', 'delete_sessions',
                            'delete_tombstones', 'mark_erasure', 'mirror_changes', 'note_session_place',
                            'refuse_older_session', 'removed_since_erasure')
   AND EXISTS (SELECT
                 FROM unnest(function.proconfig) AS line
                WHERE line LIKE 'search_path=%'
                  AND line <> format('search_path=%I, pg_temp', namespace.nspname))
 ORDER BY name
