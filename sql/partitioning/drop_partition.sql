-- Drops the partition in the setting session_store.partition if it is empty: no totals change, and its space is free
-- at once. Reads and writes wait from the lock to the end of the transaction.
DO $drop$
DECLARE
    partition CONSTANT regclass := current_setting('session_store.partition');
    is_empty  boolean;
BEGIN
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', partition) INTO is_empty;
    IF NOT is_empty THEN
        RETURN;  -- no lock was taken
    END IF;
    LOCK TABLE session_erasures IN EXCLUSIVE MODE;  -- keeps out calls that apply events
    LOCK TABLE ONLY sessions IN ACCESS EXCLUSIVE MODE;
    LOCK TABLE sessions_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', partition) INTO is_empty;
    IF is_empty AND partition <> 'sessions_default'::regclass
       AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = partition AND inhparent = 'sessions'::regclass) THEN
        EXECUTE format('DROP TABLE %s', partition);
    END IF;
END
$drop$;
