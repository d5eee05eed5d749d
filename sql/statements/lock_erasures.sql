-- Waits until every transaction that applies events has ended, and keeps new ones waiting until this one ends.
LOCK TABLE session_erasures IN EXCLUSIVE MODE;
