-- Spreads a migrated database over the nodes of a Citus cluster. Run on the coordinator, by a superuser, with no worker
-- running, in an empty database or one whose rows may be moved (each table is rewritten); then apply_session_events.sql:
--
--     psql -v ON_ERROR_STOP=1 -f sql/citus/distribute.sql -f sql/citus/apply_session_events.sql
--
-- A session and its ledger entry are in the bucket that its id says, and a bucket is in one shard, so a call that names
-- the bucket is one task on one node. Distributed by session_id, a call is a task for every shard that the ids meet.

BEGIN;

-- Every node has the function, and a worker computes the same (`worker/store/buckets.py`).
CREATE OR REPLACE FUNCTION session_bucket(p_session_id text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
    SELECT get_byte(sha256(convert_to(p_session_id, 'UTF8')), 0) % 32
$function$;

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

CREATE OR REPLACE FUNCTION get_session_stats(p_player_id varchar DEFAULT NULL)
RETURNS TABLE (
    total_sessions bigint,
    completed_sessions bigint,
    active_sessions bigint,
    avg_completion_time_seconds numeric
)
LANGUAGE plpgsql STABLE  -- Citus plans no SQL function with parameters
AS $function$
BEGIN
    RETURN QUERY
    SELECT count(*), count(completed_at), count(*) - count(completed_at),
           sum(session_seconds(started_at, completed_at)) / nullif(count(completed_at), 0)
      FROM sessions
     WHERE p_player_id IS NULL OR player_id = p_player_id;
END
$function$;

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

-- One row a bucket: what a statement selects from, so that Citus sees that what it inserts stays in the shard.
CREATE TABLE session_buckets (bucket integer PRIMARY KEY);

SELECT create_distributed_table('session_buckets', 'bucket', shard_count => 32);
SELECT create_distributed_table('session_ledger', 'bucket', colocate_with => 'session_buckets');
SELECT create_distributed_table('sessions', 'bucket', colocate_with => 'session_buckets');

-- `session_erasures` stays what it is, on the coordinator alone, where an erasure and those who store wait for each other as
-- ever: workers connect to the coordinator, and to no other node.
INSERT INTO session_buckets SELECT generate_series(0, 31);

COMMIT;
