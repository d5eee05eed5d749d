-- How many sessions pass the filter.
SELECT count(*)
  FROM sessions
 WHERE
\ir session_filter.sql
;
