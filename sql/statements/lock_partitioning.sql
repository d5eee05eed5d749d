-- Whether this session has the lock for changes of the layout; it keeps the lock until it ends or releases it.
SELECT pg_try_advisory_lock(hashtext('session_store partitioning'), hashtext(current_schema()));
