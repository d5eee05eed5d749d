-- Abandons an unfinished conversion: `sessions` is unchanged, and the copies are dropped.
LOCK TABLE session_erasures IN EXCLUSIVE MODE;
DROP FUNCTION mirror_changes CASCADE;
DROP FUNCTION mirror_sessions, copy_sessions;
DROP TABLE sessions_by_date;
