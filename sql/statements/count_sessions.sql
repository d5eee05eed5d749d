-- The number of sessions that pass the filter.
SELECT count(*)
  FROM sessions
 WHERE
\ir session_filter.sql
;
