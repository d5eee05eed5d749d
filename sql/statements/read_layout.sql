-- The layout of the sessions (plain, converting or partitioned), and the server's clock in seconds since the epoch.
SELECT CASE WHEN relkind = 'p' THEN 'partitioned'
            WHEN to_regclass('sessions_by_date') IS NOT NULL THEN 'converting'
            ELSE 'plain' END AS layout,
       extract(epoch FROM clock_timestamp())::float8 AS now
  FROM pg_class
 WHERE oid = 'sessions'::regclass;
