-- Forgets that these sessions were deleted, where that is still more than $2 days ago; one row for each that is gone.
SELECT remove_markers($1, $2);
