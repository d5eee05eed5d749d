-- As `read_session_since`, where sessions are partitioned; locked first, as in `read_placed_sessions`.
SELECT ledger.revision AS applied, session.*
  FROM session_ledger AS ledger
  LEFT JOIN LATERAL (
SELECT
\ir record.sql
  FROM stored_sessions(ARRAY[ledger.session_id])
       ) AS session ON ledger.revision >= $2
 WHERE ledger.session_id = $1
   AND NOT EXISTS (SELECT FROM ONLY sessions);
