-- Whether autovacuum runs, on the server and on each of our tables, and the work that it has left.
SELECT current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean AS is_on,
       "table".relname AS table_name,
       coalesce("table".reloptions && ARRAY['autovacuum_enabled=off', 'autovacuum_enabled=false'], false) AS is_off_here,
       coalesce(stats.n_live_tup, 0) AS live,
       coalesce(stats.n_dead_tup, 0) AS dead
  FROM pg_class AS "table"
  LEFT JOIN pg_stat_all_tables AS stats ON stats.relid = "table".oid
 WHERE "table".oid IN (to_regclass('sessions'), to_regclass('session_ledger'), to_regclass('session_totals'))
    OR "table".oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('sessions'))
 ORDER BY "table".relname
