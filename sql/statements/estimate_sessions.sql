-- The number of sessions as of the last ANALYZE; 0 before the first.
SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = 'sessions'::regclass;
