-- Keeps out the writes of player $1 up to revision $2, or up to the greater one of an earlier erasure; returns that
-- revision.
SELECT revision, erased_at FROM mark_erasure($1, $2);
