-- Deletes the tombstones of these sessions where they are still older than $2 days; one row for each that is gone.
SELECT delete_tombstones($1, $2);
