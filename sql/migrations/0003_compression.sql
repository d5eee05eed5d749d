-- Less processor time for large sessions, in new databases and in existing ones. Workers of an earlier release are
-- not affected.

\ir ../compression.sql

INSERT INTO session_store_migrations (version, name) VALUES (3, 'compression') ON CONFLICT DO NOTHING;
