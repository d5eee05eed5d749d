-- Whether this transaction has the lock for removing old sessions; it keeps the lock until it ends.
SELECT pg_try_advisory_xact_lock(hashtext('session_store retention'), hashtext(current_schema()));
