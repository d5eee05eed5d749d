-- Makes one partition, from the setting session_store.partition_from up to session_store.partition_to, with the rows
-- of that time in the default partition. Run it in a transaction, best with `SET LOCAL timezone = 'UTC'` and a
-- lock_timeout.
--
-- All reads and writes wait meanwhile. A statement that had looked up the partitions before, and waited for the
-- default one alone, would not see the new one. An insert would be refused (SQLSTATE 23514), and a delete or a read
-- would miss the moved rows.
DO $make$
DECLARE
    parent  CONSTANT regclass := coalesce(to_regclass('sessions_by_date'), 'sessions');
    starts  CONSTANT timestamptz := current_setting('session_store.partition_from');
    ends    CONSTANT timestamptz := current_setting('session_store.partition_to');
    fresh   CONSTANT text := 'sessions_' || to_char(starts AT TIME ZONE 'UTC', 'YYYYMMDD');
    options CONSTANT text := (SELECT 'WITH (' || array_to_string(reloptions, ', ') || ')' FROM pg_class
                               WHERE oid = 'sessions_default'::regclass);
    names   CONSTANT text := (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                               WHERE attrelid = parent AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
    LOCK TABLE session_erasures IN EXCLUSIVE MODE;  -- keeps out calls that apply events
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
    LOCK TABLE sessions_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE %I (LIKE %s INCLUDING ALL EXCLUDING INDEXES) %s', fresh, parent, options);
    EXECUTE format('ALTER TABLE %I OWNER TO %s', fresh, (SELECT relowner::regrole FROM pg_class WHERE oid = parent));
    EXECUTE format('WITH moved AS (DELETE FROM sessions_default WHERE started_at >= %L AND started_at < %L RETURNING %s) '
                   'INSERT INTO %I (%s) SELECT %s FROM moved', starts, ends, names, fresh, names, names);
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, fresh, starts, ends);
END
$make$;
