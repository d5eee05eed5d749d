-- The layout of the sessions: plain, converting or partitioned.
SELECT CASE WHEN relkind = 'p' THEN 'partitioned'
            WHEN to_regclass('sessions_by_date') IS NOT NULL THEN 'converting'
            ELSE 'plain' END AS layout
  FROM pg_class
 WHERE oid = 'sessions'::regclass;
