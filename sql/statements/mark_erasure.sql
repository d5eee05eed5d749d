-- Keeps the writes of player $1 out up to revision $2, or the greater one of an erasure before, which it returns.
INSERT INTO session_erasures AS known (player_digest, revision)
VALUES (sha256(convert_to($1::text, 'UTF8')), $2)
    ON CONFLICT (player_digest) DO UPDATE
   SET revision = greatest(known.revision, excluded.revision),
       erased_at = excluded.erased_at
RETURNING revision, erased_at;
