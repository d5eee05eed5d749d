-- Sessions by id ($1) that are still at a revision ($2), in no order, in the form of an export.
SELECT
\ir session_columns.sql
     , coalesce(event_id, md5(session_id)::uuid) AS event_id
  FROM sessions
  JOIN unnest($1::text[], $2::bigint[]) AS wanted (wanted_id, wanted_revision)
    ON session_id = wanted_id AND revision = wanted_revision
  LEFT JOIN (SELECT session_id AS known_id, event_id FROM session_ledger) AS known ON known_id = session_id;
