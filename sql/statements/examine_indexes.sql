-- Every index of our tables and of their partitions: whether it is used, its size, and the estimated size of a new
-- one, in bytes. The estimate is a line pointer, a tuple header and the columns' mean width for each entry, in pages
-- that are nine tenths full.
SELECT index.relname AS name,
       "table".relname AS table_name,
       entry.indisvalid AS is_valid,
       entry.indisprimary AS is_primary,
       index.relispartition AS is_part,
       "table".relkind = 'p' AS is_partitioned,
       pg_relation_size(index.oid) AS bytes,
       (greatest(index.reltuples, 0) * (4 + 8 + 8 + coalesce(columns.width, 8)) / 0.9)::bigint AS expected
  FROM pg_index AS entry
  JOIN pg_class AS index ON index.oid = entry.indexrelid
  JOIN pg_class AS "table" ON "table".oid = entry.indrelid
  LEFT JOIN LATERAL (
       SELECT sum(stats.avg_width) AS width
         FROM pg_attribute AS attribute
         JOIN pg_stats AS stats ON stats.attname = attribute.attname AND stats.tablename = "table".relname
                               AND stats.schemaname = "table".relnamespace::regnamespace::text
        WHERE attribute.attrelid = entry.indrelid AND attribute.attnum = ANY (entry.indkey)
       ) AS columns ON true
 WHERE entry.indrelid IN (to_regclass('sessions'), to_regclass('session_ledger'))
    OR entry.indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass('sessions'))
 ORDER BY index.relname
