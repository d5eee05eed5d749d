-- Deletes the tombstones of these sessions that are still older than $2 days; one row for each deleted tombstone.
SELECT delete_tombstones($1, $2);
