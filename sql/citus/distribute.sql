-- Spreads a migrated database over the nodes of a Citus cluster. Run on the coordinator, by a superuser, with no worker
-- running, in an empty database or one whose rows may be moved (each table is rewritten):
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/citus/distribute.sql
--
-- A session and its ledger entry are in the bucket that its id says, and a bucket is in one shard, so a call that names
-- the bucket is one task on one node. Distributed by session_id, a call is a task for every shard that the ids meet.

-- One row a bucket: what a statement selects from, so that Citus sees that what it inserts stays in the shard.
CREATE TABLE session_buckets (bucket integer PRIMARY KEY);

\ir ../functions/citus/session_bucket.sql

-- Citus has no triggers on distributed tables: statistics are counted, and no wall but the function holds revisions up.
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

-- `session_erasures` stays what it is, on the coordinator alone, where an erasure and those who store wait for each other as
-- ever: workers connect to the coordinator, and to no other node.
INSERT INTO session_buckets SELECT generate_series(0, 31);

-- The law is the one of every layout; the functions that differ take the place of those of a plain table. A migration that
-- includes a function again knows the layout by `session_buckets`, and leaves these.
\ir ../functions/citus/advance_ledger.sql
\ir ../functions/citus/ledger_entries.sql
\ir ../functions/citus/store_sessions.sql
\ir ../functions/citus/exact_session_stats.sql
\ir ../functions/apply_session_events.sql
