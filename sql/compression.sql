-- Compresses the JSON columns by lz4 where the server has it: PostgreSQL 14 or later, built with it. For large
-- sessions lz4 takes less than half of the processor time of pglz. Stored values stay unchanged until they are
-- written again. New partitions inherit the setting from the table. Run it again after an upgrade of the server.
--
-- Citus copies the setting to other nodes when a table is distributed. A later change is not supported there.

DO $compression$
DECLARE
    wanted record;
BEGIN
    IF to_regclass('session_buckets') IS NOT NULL
       OR NOT EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        RETURN;
    END IF;
    FOR wanted IN
        SELECT attrelid::regclass AS relation, attname AS name
          FROM pg_attribute
         WHERE attrelid IN (SELECT oid
                              FROM unnest(ARRAY[to_regclass('sessions'), to_regclass('sessions_by_date')]) AS oid
                             UNION ALL
                            SELECT relid
                              FROM unnest(ARRAY[to_regclass('sessions'), to_regclass('sessions_by_date')]) AS oid,
                                   pg_partition_tree(oid))
           AND attname IN ('encounter', 'state', 'extra')
           AND attcompression <> 'l'
         ORDER BY attrelid, attnum
    LOOP
        EXECUTE format('ALTER TABLE ONLY %s ALTER COLUMN %I SET COMPRESSION lz4', wanted.relation, wanted.name);
    END LOOP;
END
$compression$;
