-- Statements of this database with a mean time of more than $1 milliseconds. PostgreSQL replaces constants in queries
-- and changes by parameters. It does not do so in other statements, which may therefore hold a password.
SELECT statements.calls,
       statements.mean_exec_time AS milliseconds,
       left(regexp_replace(statements.query, '\s+', ' ', 'g'), 100) AS query
  FROM pg_stat_statements AS statements
 WHERE statements.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND statements.calls >= 5
   AND statements.mean_exec_time > $1
   AND statements.query ~* '^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\y'
 ORDER BY statements.total_exec_time DESC
 LIMIT 3
