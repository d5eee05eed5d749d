-- Whether this session may change the layout; nobody else may until it ends or gives it back.
SELECT pg_try_advisory_lock(hashtext('session_store partitioning'), hashtext(current_schema()));
