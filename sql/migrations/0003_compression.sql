-- Less processor time for large sessions, in new databases and in those that exist. Old workers are not concerned.

\ir ../compression.sql

INSERT INTO session_store_migrations (version, name) VALUES (3, 'compression') ON CONFLICT DO NOTHING;
