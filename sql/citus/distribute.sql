-- Distributes a migrated database over the nodes of a Citus cluster. Run it on the coordinator, as a superuser, while
-- no worker runs, in an empty database or in one whose rows may be moved (each table is rewritten):
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/citus/distribute.sql
--
-- The id of a session decides the bucket of its row and of its ledger entry. A bucket is in one shard, so a call that
-- names the bucket is one task on one node. With a distribution by session_id a call would be a task for every shard
-- of its ids.

-- One row a bucket. Insertions select from this table, so that Citus keeps them in the shard.
CREATE TABLE session_buckets (bucket integer PRIMARY KEY);

\ir ../functions/citus/session_bucket.sql

-- Citus has no triggers on distributed tables: statistics are counted, and only the function refuses a lower
-- revision.
DO $triggers$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT tgname, tgrelid::regclass AS relation FROM pg_trigger
                  WHERE tgrelid IN ('sessions'::regclass, 'session_ledger'::regclass) AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', found.tgname, found.relation);
    END LOOP;
END
$triggers$;

ALTER TABLE sessions ADD COLUMN bucket integer;
UPDATE sessions SET bucket = session_bucket(session_id);
ALTER TABLE sessions
    ALTER COLUMN bucket SET NOT NULL,
    DROP CONSTRAINT sessions_pkey,
    ADD PRIMARY KEY (bucket, session_id),
    ADD CONSTRAINT sessions_bucket_is_the_ids CHECK (bucket = session_bucket(session_id));

ALTER TABLE session_ledger ADD COLUMN bucket integer;
UPDATE session_ledger SET bucket = session_bucket(session_id);
ALTER TABLE session_ledger
    ALTER COLUMN bucket SET NOT NULL,
    DROP CONSTRAINT session_ledger_pkey,
    ADD PRIMARY KEY (bucket, session_id),
    ADD CONSTRAINT session_ledger_bucket_is_the_ids CHECK (bucket = session_bucket(session_id));

SELECT create_distributed_table('session_buckets', 'bucket', shard_count => 32);
SELECT create_distributed_table('session_ledger', 'bucket', colocate_with => 'session_buckets');
SELECT create_distributed_table('sessions', 'bucket', colocate_with => 'session_buckets');

-- `session_erasures` stays a local table of the coordinator, where erasures and batches wait for each other. So
-- workers connect to the coordinator, and to no other node.
INSERT INTO session_buckets SELECT generate_series(0, 31);

-- The order law is the same in every layout. These functions replace those of a plain table. A migration that
-- includes a function again recognises the layout by `session_buckets`, and leaves these functions.
\ir ../functions/citus/advance_ledger.sql
\ir ../functions/citus/ledger_entries.sql
\ir ../functions/citus/store_sessions.sql
\ir ../functions/citus/exact_session_stats.sql
\ir ../functions/apply_session_events.sql
