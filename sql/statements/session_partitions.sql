-- The partitions of the sessions, by time: the bounds (null for the default partition), the rows as of the last
-- ANALYZE, and the size in bytes with indexes. Bounds that are no moments are infinite.
SELECT relname AS name,
       CASE WHEN bound <> 'DEFAULT' THEN coalesce(substring(bound FROM $$FROM \('([^']*)'\)$$), '-infinity') END::timestamptz
           AS starts,
       CASE WHEN bound <> 'DEFAULT' THEN coalesce(substring(bound FROM $$TO \('([^']*)'\)$$), 'infinity') END::timestamptz
           AS ends,
       greatest(reltuples, 0)::bigint AS rows,
       pg_total_relation_size(oid) AS bytes
  FROM (SELECT *, pg_get_expr(relpartbound, pg_class.oid) AS bound
          FROM pg_inherits
          JOIN pg_class ON pg_class.oid = inhrelid
         WHERE inhparent = coalesce(to_regclass('sessions_by_date'), to_regclass('sessions'))) AS partition
 ORDER BY starts, name
