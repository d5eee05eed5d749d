-- Missing guards: triggers that refuse a lower revision, and functions that run with their owner's rights and with
-- the owner's search_path.
SELECT 'no trigger revisions_only_rise on ' || name AS missing
  FROM unnest(ARRAY['session_erasures', 'session_ledger', 'sessions']) AS name
 WHERE NOT EXISTS (SELECT
                     FROM pg_trigger
                    WHERE tgrelid = to_regclass(name) AND tgname = 'revisions_only_rise')
 UNION ALL
SELECT 'the trigger revisions_only_rise is switched off on ' || tgrelid::regclass
  FROM pg_trigger
 WHERE tgname = 'revisions_only_rise' AND tgenabled NOT IN ('O', 'A')
 UNION ALL
SELECT proname || ' runs with its caller''s rights'
  FROM pg_proc
 WHERE pronamespace = current_schema()::regnamespace
   AND proname IN ('apply_session_events', 'delete_sessions', 'mark_erasure', 'delete_tombstones')
   AND NOT prosecdef
 UNION ALL
SELECT proname || ' looks for tables where its caller does'
  FROM pg_proc
 WHERE pronamespace = current_schema()::regnamespace
   AND prosecdef
   AND NOT EXISTS (SELECT FROM unnest(proconfig) AS line WHERE line LIKE 'search_path=%')
 UNION ALL
SELECT 'triggers are off: session_replication_role is ' || current_setting('session_replication_role')
 WHERE current_setting('session_replication_role') = 'replica'
