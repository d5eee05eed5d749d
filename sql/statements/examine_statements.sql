-- Statements of this database that take longer than $1 milliseconds in the mean. Constants in these are replaced
-- by parameters, which is not so for what is neither a query nor a change: that may hold a password.
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
