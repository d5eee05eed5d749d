-- Every session that passes the filter, in no order, with the event that wrote it. A session without a ledger entry
-- has the id under which it will be adopted.
SELECT
\ir session_columns.sql
     , coalesce(event_id, md5(session_id)::uuid) AS event_id
  FROM sessions
  LEFT JOIN (SELECT session_id AS known_id, event_id FROM session_ledger) AS known ON known_id = session_id
 WHERE
\ir session_filter.sql
;
