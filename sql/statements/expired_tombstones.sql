-- Tombstones of sessions that were deleted more than $1 days ago, and the revisions of the deletes, in no order.
SELECT session_id, revision
  FROM session_ledger
 WHERE deleted_at < now() - make_interval(days => $1);
