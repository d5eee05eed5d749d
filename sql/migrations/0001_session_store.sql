-- The schema: tables, indexes, functions, triggers.
--
-- A database may already have a table `sessions`, from the storage plugin that this program replaces: eight columns
-- and rows. This migration adopts it: same names, same types, every row kept, three columns added. The rewrite holds
-- an exclusive lock until it ends; 0002 does the rest while all programs continue.
--
-- Each function is a file of its own. The newest migration that changed it includes it again. The line before an
-- include has the first digits of the file's SHA-256 as of this migration; sql/migrations/README.md has the reason.
--
-- Indexes are not built concurrently: the table is new, or locked by its rewrite.
-- squawk-ignore-file require-concurrent-index-creation

DO $development$
DECLARE
    is_older boolean := false;
BEGIN
    IF to_regclass('session_store_migrations') IS NOT NULL THEN
        SELECT EXISTS (SELECT FROM session_store_migrations WHERE version = 1 AND name = 'sessions') INTO is_older;
    END IF;
    IF is_older THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'this database has the twelve migrations of a development version, which are one now',
            HINT = 'See "A database of a development version" in sql/README.md.';
    END IF;
END
$development$;

SET LOCAL check_function_bodies = off;  -- a function may name a column that a later migration adds

CREATE TABLE IF NOT EXISTS session_store_migrations (
    version    bigint      PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text,
    applied_at timestamptz NOT NULL DEFAULT now(),
    replaced   jsonb
);
ALTER TABLE session_store_migrations ADD COLUMN IF NOT EXISTS replaced jsonb;  -- of a development version
COMMENT ON TABLE session_store_migrations IS 'The migrations that were applied.';
COMMENT ON COLUMN session_store_migrations.checksum
    IS 'SHA-256 of the file; null until `session-store migrate` has seen it.';
COMMENT ON COLUMN session_store_migrations.replaced
    IS 'Objects of the storage plugin that are different ones now: their names, and how they were defined.';

-- The plugin's objects with names that are used here too. The end of this file compares them.
DO $before$
BEGIN
    PERFORM set_config('session_store.before', '{}', true);
    IF to_regclass(format('%I.sessions', current_schema())) IS NULL
       OR EXISTS (SELECT FROM pg_attribute
                   WHERE attrelid = to_regclass(format('%I.sessions', current_schema())) AND attname = 'revision') THEN
        RETURN;
    END IF;
    PERFORM set_config('session_store.before', jsonb_object_agg(name, definition)::text, true)
      FROM (SELECT relname AS name, pg_get_indexdef(indexrelid) AS definition
              FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
             WHERE indrelid = to_regclass(format('%I.sessions', current_schema())) AND relname LIKE 'idx\_sessions\_%'
             UNION ALL
            SELECT relname, pg_get_viewdef(oid) FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace AND relname = 'active_sessions' AND relkind = 'v'
             UNION ALL
            SELECT proname, string_agg(pg_get_functiondef(oid), E'\n' ORDER BY oid) FROM pg_proc
             WHERE pronamespace = current_schema()::regnamespace AND proname = 'get_session_stats' AND prokind = 'f'
             GROUP BY proname) AS object
    HAVING count(*) > 0;
END
$before$;

-- The view and the function of the plugin. PostgreSQL cannot replace one with other columns, so it is dropped. This
-- comes first: if an object depends on it, the migration fails before the table is rewritten.

DO $adopt$
DECLARE
    other regprocedure;
BEGIN
    IF (SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
          FROM pg_attribute
         WHERE attrelid = to_regclass(format('%I.active_sessions', current_schema())) AND attnum > 0)
       <> 'session_id character varying(255), player_id character varying(255), encounter jsonb, state jsonb, '
          'started_at timestamp with time zone, duration_seconds numeric' THEN
        DROP VIEW active_sessions;
    END IF;

    FOR other IN
        SELECT oid FROM pg_proc
         WHERE pronamespace = current_schema()::regnamespace AND proname = 'get_session_stats'
           AND (pg_get_function_arguments(oid), pg_get_function_result(oid)) <>
               ('p_player_id character varying DEFAULT NULL::character varying',
                'TABLE(total_sessions bigint, completed_sessions bigint, active_sessions bigint, '
                'avg_completion_time_seconds numeric)')
    LOOP
        EXECUTE format('DROP FUNCTION %s', other);
    END LOOP;
END
$adopt$;

-- The sessions.

DO $adopt$
DECLARE
    plugin_table regclass := to_regclass(format('%I.sessions', current_schema()));
BEGIN
    IF plugin_table IS NULL
       OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = plugin_table AND attname = 'revision') THEN
        RETURN;
    END IF;

    -- The indexes are built again below, after the rewrite, some with other columns.
    DROP INDEX IF EXISTS idx_sessions_player_id, idx_sessions_started_at, idx_sessions_completed_at,
                         idx_sessions_difficulty, idx_sessions_incomplete;

    ALTER TABLE sessions SET (fillfactor = 70);
    ALTER TABLE sessions
        ADD COLUMN revision bigint,
        ADD COLUMN extra jsonb;

    -- One rewrite of the table replaces an UPDATE of all rows, and leaves no dead rows. The plugin's trigger, which
    -- sets updated_at on every UPDATE, does not run. A future time is no revision: it would keep out the writes of
    -- engines until then.
    ALTER TABLE sessions
        ALTER COLUMN revision TYPE bigint USING greatest(1, floor(extract(epoch FROM
            least(coalesce(updated_at, created_at, started_at), now())) * 1000000))::bigint,
        ALTER COLUMN revision SET DEFAULT floor(extract(epoch FROM now()) * 1000000)::bigint,
        ALTER COLUMN revision SET NOT NULL,
        ADD COLUMN difficulty text GENERATED ALWAYS AS (encounter->>'difficulty') STORED;
END
$adopt$;

-- fillfactor: engines write a session many times. A page with free space takes the new version of a row without a
-- change of an index (a HOT update), and is cleaned without VACUUM.
CREATE TABLE IF NOT EXISTS sessions (
    session_id   varchar(255) PRIMARY KEY,
    player_id    varchar(255) NOT NULL,
    encounter    jsonb        NOT NULL,
    state        jsonb        NOT NULL,
    started_at   timestamptz  NOT NULL,
    completed_at timestamptz,
    created_at   timestamptz  DEFAULT now(),
    updated_at   timestamptz  DEFAULT now(),
    revision     bigint       NOT NULL DEFAULT floor(extract(epoch FROM now()) * 1000000)::bigint,
    extra        jsonb,
    difficulty   text         GENERATED ALWAYS AS (encounter->>'difficulty') STORED
) WITH (fillfactor = 70);

-- No index has a column that changes with every write. updated_at does, and an index on it would end HOT updates for
-- the whole table. So a query sorted by updated_at sorts all rows that pass its filter.
--
-- session_id breaks ties where pages have an order. Read backwards, these indexes give the newest first, equal times
-- by ascending session_id, and no time last. Written forwards, they grow at their end.
CREATE INDEX IF NOT EXISTS idx_sessions_player_id ON sessions (player_id);
CREATE INDEX IF NOT EXISTS idx_sessions_started_at ON sessions (started_at, session_id DESC);
CREATE INDEX IF NOT EXISTS idx_sessions_completed_at ON sessions (completed_at NULLS FIRST, session_id DESC)
    WHERE completed_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_sessions_incomplete ON sessions (started_at, session_id DESC)
    WHERE completed_at IS NULL;
-- An order by completed_at ends with the sessions without a time, by session_id. Without this index a page of them
-- read the complete sessions too, or sorted all sessions.
CREATE INDEX IF NOT EXISTS idx_sessions_incomplete_by_id ON sessions (session_id)
    WHERE completed_at IS NULL;
-- On the column, not on encounter->>'difficulty': with an expression over encounter, every change of encounter would
-- count as a change of the index.
CREATE INDEX IF NOT EXISTS idx_sessions_difficulty ON sessions (difficulty);

-- The ledger holds the greatest event applied so far. It is locked and compared first, so that the order of events is
-- that of (revision, event_id), in whatever order they arrive.

CREATE TABLE IF NOT EXISTS session_ledger (
    session_id        varchar(255) PRIMARY KEY,
    revision          bigint       NOT NULL,
    event_id          uuid         NOT NULL,
    outcome           text         NOT NULL,
    deleted_at        timestamptz,
    expected_revision bigint,
    replaced_revision bigint,
    replaced_event_id uuid,
    replaced_outcome  text,
    started_at        timestamptz,
    CONSTRAINT session_ledger_revision_is_exact_in_json CHECK (revision BETWEEN 1 AND 9007199254740991),
    CONSTRAINT session_ledger_outcome_is_known CHECK (outcome IN ('stored', 'deleted', 'absent')),
    CONSTRAINT session_ledger_deleted_or_live CHECK ((outcome = 'stored') = (deleted_at IS NULL))
) WITH (fillfactor = 80);
COMMENT ON TABLE session_ledger
    IS 'The last applied event of every session, live or deleted; the entry of a deleted one is its tombstone.';
COMMENT ON COLUMN session_ledger.outcome IS 'stored, deleted, or absent: a delete that found nothing.';
COMMENT ON COLUMN session_ledger.deleted_at IS 'Null while the session is live.';
COMMENT ON COLUMN session_ledger.expected_revision IS 'The revision that the event expected to replace; null: any.';
COMMENT ON COLUMN session_ledger.replaced_revision IS 'Of the entry before this one; null when this is the first.';
COMMENT ON COLUMN session_ledger.started_at
    IS 'Where the row is, if sessions are partitioned; null also where no event has said it yet.';

-- The table has the digest of an erased player's id, which is enough to recognise it. The id itself must be erased.

CREATE TABLE IF NOT EXISTS session_erasures (
    player_digest bytea       PRIMARY KEY,
    revision      bigint      NOT NULL,
    erased_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT session_erasures_revision_is_exact_in_json CHECK (revision BETWEEN 1 AND 9007199254740991)
);
COMMENT ON TABLE session_erasures
    IS 'Erased players: no trace of their sessions stays, and no late event up to the revision brings one back.';
COMMENT ON COLUMN session_erasures.player_digest IS 'SHA-256 of the player''s id in UTF-8.';

-- Rows are only added, so writers never wait for each other and cannot deadlock. One writer in 512 replaces the rows
-- that are not locked by their sum. A change and its row commit together.

CREATE TABLE IF NOT EXISTS session_totals (
    id        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sessions  bigint  NOT NULL,
    completed bigint  NOT NULL,
    seconds   numeric NOT NULL
);
COMMENT ON TABLE session_totals
    IS 'The sum of the rows is the statistics of all sessions, in every snapshot, whoever writes to sessions.';
COMMENT ON COLUMN session_totals.seconds IS 'From start to completion.';

-- The order law. No login needs the right to write to a table: it calls functions, which run with their owner's
-- rights.

-- baec67a9b6bc050f
\ir ../functions/event_wins.sql
-- adf559a005a06303
\ir ../functions/event_outcome.sql
-- c272be3b14fd10e8
\ir ../functions/advance_ledger.sql
-- a7354d98448cf9d5
\ir ../functions/ledger_entries.sql
-- 4e7a03835d1f6c5b
\ir ../functions/store_sessions.sql
-- 07769519036c15ec
\ir ../functions/partitioned/store_sessions.sql
-- 1658d4f2ceb0e773
\ir ../functions/apply_session_events.sql
-- 375fe7a92d703029
\ir ../functions/delete_sessions.sql
-- 9b105c8b26f80f1b
\ir ../functions/delete_tombstones.sql
-- 0fd3dcfb9ddfb327
\ir ../functions/mark_erasure.sql
-- 894c9bee7d61c626
\ir ../functions/removed_since_erasure.sql
-- 4b4c813b836f8159
\ir ../functions/partitioned/stored_sessions.sql
-- eb53f82c3779df7a
\ir ../functions/partitioned/note_session_place.sql
-- 526150f69759bdad
\ir ../functions/citus/session_bucket.sql
-- 2aacd658c966b652
\ir ../functions/citus/advance_ledger.sql
-- d250ba88b1b8e432
\ir ../functions/citus/ledger_entries.sql
-- 6dce04bad2d95e01
\ir ../functions/citus/store_sessions.sql

-- The statistics, and the refusal of a lower revision from every writer: both by triggers.

-- f6972996def80cd2
\ir ../functions/session_seconds.sql
-- 5b3c8ec8ec9af73d
\ir ../functions/note_session_change.sql
-- 4e8f172cff2be871
\ir ../functions/add_session_totals.sql
-- bb114f4fa841f771
\ir ../functions/refuse_lower_revision.sql
-- 7379a52f2c9aec8a
\ir ../functions/refuse_older_session.sql
-- 08d1264bfdef423c
\ir ../functions/refuse_expecting_insertion.sql
-- c24515c410ad01bc
\ir ../functions/adopt_inserted_sessions.sql

DO $triggers$
DECLARE
    wanted record;
BEGIN
    IF to_regclass('session_buckets') IS NOT NULL THEN
        RETURN;  -- Citus has no triggers on distributed tables
    END IF;
    FOR wanted IN  -- the tables in the order of the events' locks
        SELECT * FROM (VALUES
            ('session_erasures', 'revisions_only_rise', 'BEFORE UPDATE',
             'FOR EACH ROW WHEN (NEW.revision < OLD.revision) EXECUTE FUNCTION refuse_lower_revision()'),
            ('session_ledger', 'revisions_only_rise', 'BEFORE UPDATE',
             'FOR EACH ROW WHEN ((NEW.revision, NEW.event_id) < (OLD.revision, OLD.event_id)) '
             'EXECUTE FUNCTION refuse_lower_revision()'),
            ('session_ledger', 'expecting_events_replace', 'AFTER INSERT',
             'FOR EACH ROW WHEN (NEW.expected_revision > 0 AND NEW.replaced_revision IS NULL) '
             'EXECUTE FUNCTION refuse_expecting_insertion()'),
            ('sessions', 'revisions_only_rise', 'BEFORE UPDATE',
             'FOR EACH ROW WHEN (NEW.revision < OLD.revision) EXECUTE FUNCTION refuse_older_session()'),
            ('sessions', 'inserted_sessions_are_adopted', 'AFTER INSERT',
             'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT '
             'WHEN (current_setting(''session_store.applying'', true) IS DISTINCT FROM ''on'') '
             'EXECUTE FUNCTION adopt_inserted_sessions()'),
            ('sessions', 'session_totals_insert', 'AFTER INSERT',
             'REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals()'),
            ('sessions', 'session_totals_delete', 'AFTER DELETE',
             'REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals()'),
            ('sessions', 'session_totals_truncate', 'AFTER TRUNCATE',
             'FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals()'),
            ('sessions', 'session_totals_note', 'AFTER UPDATE',
             'FOR EACH ROW WHEN (OLD.completed_at IS DISTINCT FROM NEW.completed_at OR OLD.started_at <> NEW.started_at) '
             'EXECUTE FUNCTION note_session_change()'),
            ('sessions', 'session_totals_update', 'AFTER UPDATE',
             'FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals()')) AS made (relation, name, event, definition)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = wanted.relation::regclass AND tgname = wanted.name) THEN
            EXECUTE format('CREATE TRIGGER %I %s ON %I %s', wanted.name, wanted.event, wanted.relation, wanted.definition);
        END IF;
    END LOOP;
END
$triggers$;

-- The plugin's view and function, with the same columns.

CREATE OR REPLACE VIEW active_sessions AS
SELECT session_id, player_id, encounter, state, started_at,
       CASE WHEN isfinite(started_at) THEN extract(epoch FROM now() - started_at)::numeric END AS duration_seconds
  FROM sessions
 WHERE completed_at IS NULL
 ORDER BY started_at DESC;

-- 21447fbcde240ef7
\ir ../functions/exact_session_stats.sql
-- 9959318f782f8e3d
\ir ../functions/citus/exact_session_stats.sql
-- fa7eb710678f0181
\ir ../functions/get_session_stats.sql

-- A role that may read sessions may read their totals.
DO $grants$
DECLARE
    reader text;
BEGIN
    FOR reader IN
        SELECT CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END
          FROM pg_class, aclexplode(relacl) AS held
         WHERE pg_class.oid = 'sessions'::regclass AND held.privilege_type = 'SELECT'
           AND held.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('GRANT SELECT ON session_totals TO %s', reader);
    END LOOP;
END
$grants$;

INSERT INTO session_store_migrations (version, name, replaced)
SELECT 1, 'session_store', jsonb_object_agg(name, definition)
  FROM jsonb_each_text(current_setting('session_store.before')::jsonb) AS object (name, definition)
 WHERE definition IS DISTINCT FROM coalesce(
       (SELECT pg_get_indexdef(indexrelid) FROM pg_index
         WHERE indrelid = 'sessions'::regclass AND indexrelid = to_regclass(format('%I.%I', current_schema(), name))),
       (SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = to_regclass('active_sessions') AND name = 'active_sessions'),
       (SELECT pg_get_functiondef(oid) FROM pg_proc
         WHERE oid = to_regproc('get_session_stats') AND name = 'get_session_stats'))
    ON CONFLICT DO NOTHING;
