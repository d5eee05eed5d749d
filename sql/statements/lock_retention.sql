-- Whether this transaction may remove what is old; nobody else may until it ends.
SELECT pg_try_advisory_xact_lock(hashtext('session_store retention'), hashtext(current_schema()));
