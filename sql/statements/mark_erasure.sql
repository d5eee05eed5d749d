-- Keeps the writes of player $1 out up to revision $2, or the greater one of an erasure before, which it returns.
SELECT revision, erased_at FROM mark_erasure($1, $2);
