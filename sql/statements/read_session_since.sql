-- The revision of the latest event applied to a session, and the session once that revision is $2 or newer. Both are
-- of one moment, because two queries could reach two replicas. No row when there was no event.
SELECT ledger.revision AS applied, session.*
  FROM session_ledger AS ledger
  LEFT JOIN LATERAL (
SELECT
\ir record.sql
  FROM sessions
 WHERE sessions.session_id = ledger.session_id
       ) AS session ON ledger.revision >= $2
 WHERE ledger.session_id = $1;
