-- Whether the server is a standby, and the age in seconds of the last transaction that it replayed; 0 when it has
-- replayed everything it received.
SELECT pg_is_in_recovery() AS is_standby,
       CASE WHEN pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn() THEN 0
            ELSE coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)
       END::double precision AS lag_seconds;
