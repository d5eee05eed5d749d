-- Sessions by id, in no order; unknown ids are left out.
SELECT
\ir record.sql
  FROM sessions
 WHERE session_id = ANY ($1::text[]);
