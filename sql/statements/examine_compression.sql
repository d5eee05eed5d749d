-- The tables of sessions: whether the server has lz4, and the JSON columns that are compressed in another way.
-- PostgreSQL before 14 has no choice. No rows on Citus, which makes the tables on other nodes.
SELECT "table".relname AS table_name,
       EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) AS has_lz4,
       coalesce(array_agg(attribute.attname::text ORDER BY attribute.attnum)
                FILTER (WHERE to_jsonb(attribute)->>'attcompression' IS DISTINCT FROM 'l'), '{}') AS others
  FROM pg_class AS "table"
  JOIN pg_attribute AS attribute ON attribute.attrelid = "table".oid
 WHERE ("table".oid = to_regclass('sessions')
        OR "table".oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('sessions')))
   AND attribute.attname IN ('encounter', 'state', 'extra')
   AND to_regclass('session_buckets') IS NULL
 GROUP BY "table".relname
 ORDER BY "table".relname;
