-- Sessions by id, in no order; those that are not there are left out.
SELECT
\ir session_columns.sql
  FROM sessions
 WHERE session_id = ANY ($1::text[]);
