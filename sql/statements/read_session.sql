-- One session by id; no row when it is not there.
SELECT
\ir session_columns.sql
  FROM sessions
 WHERE session_id = $1;
