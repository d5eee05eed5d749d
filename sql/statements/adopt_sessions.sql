-- Writes ledger entries for the sessions that no event wrote.
INSERT INTO session_ledger (session_id, revision, event_id, outcome)
SELECT session_id, revision, md5(session_id)::uuid, 'stored'
  FROM sessions
 WHERE NOT EXISTS (SELECT FROM session_ledger AS known WHERE known.session_id = sessions.session_id)
    ON CONFLICT (session_id) DO NOTHING;
