-- Sessions, live or deleted, whose last event has a revision greater than $1, so that no event below it changes them;
-- at most a few.
SELECT session_id, revision
  FROM session_ledger
 WHERE revision > $1
 LIMIT 4
