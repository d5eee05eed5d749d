-- The sessions that nothing but a removal has touched since player $1 was marked last: those of that erasure, and what
-- others removed meanwhile. Reads the whole ledger, and only an erasure that is done again asks: an index would end HOT
-- updates of the ledger. A minute is for servers whose clocks differ.
SELECT session_id, revision
  FROM session_ledger
 WHERE event_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
   AND deleted_at >= (SELECT erased_at - interval '1 minute'
                        FROM session_erasures
                       WHERE player_digest = sha256(convert_to($1::text, 'UTF8')));
