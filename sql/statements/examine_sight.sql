-- Whether this role sees the activity of other roles, and which views of statements exist.
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
       to_regclass('pg_stat_statements') IS NOT NULL AS has_statements
