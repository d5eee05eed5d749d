-- Gives a conversion up that has not come to its end: `sessions` is as it was, and what was copied is gone.
LOCK TABLE session_erasures IN EXCLUSIVE MODE;
DROP FUNCTION mirror_changes CASCADE;
DROP FUNCTION mirror_sessions, copy_sessions;
DROP TABLE sessions_by_date;
