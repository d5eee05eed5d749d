-- The table of sessions.
--
-- A database may already have one, from the storage plugin that this program replaces: eight columns
-- and rows. It is adopted: same names, same types, every row kept, three columns added. That takes a lock that
-- keeps everybody out for as long as the rewrite lasts.
--
-- Indexes are not built concurrently: the table is new, or locked by its rewrite.
-- squawk-ignore-file require-concurrent-index-creation

CREATE TABLE IF NOT EXISTS session_store_migrations (
    version    bigint      PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text,       -- SHA-256 of the file; null until `session-store migrate` has seen it
    applied_at timestamptz NOT NULL DEFAULT now()
);

DO $adopt$
DECLARE
    plugin_table regclass := to_regclass(format('%I.sessions', current_schema()));
BEGIN
    IF plugin_table IS NULL
       OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = plugin_table AND attname = 'revision') THEN
        RETURN;
    END IF;

    -- They are built again below, after the rewrite, some with other columns.
    DROP INDEX IF EXISTS idx_sessions_player_id, idx_sessions_started_at, idx_sessions_completed_at,
                         idx_sessions_difficulty, idx_sessions_incomplete;

    ALTER TABLE sessions SET (fillfactor = 70);
    ALTER TABLE sessions
        ADD COLUMN revision bigint,
        ADD COLUMN extra jsonb;

    -- One rewrite of the table instead of an UPDATE of all rows: no dead rows are left behind, and
    -- the plugin's trigger, which sets updated_at on every UPDATE, does not run.
    ALTER TABLE sessions
        ALTER COLUMN revision TYPE bigint USING greatest(1, least(9007199254740991, floor(
            extract(epoch FROM coalesce(updated_at, created_at, started_at)) * 1000000)))::bigint,
        ALTER COLUMN revision SET DEFAULT floor(extract(epoch FROM now()) * 1000000)::bigint,
        ALTER COLUMN revision SET NOT NULL,
        ADD COLUMN difficulty text GENERATED ALWAYS AS (encounter->>'difficulty') STORED;
END
$adopt$;

-- fillfactor: engines write a session many times; a page with room takes the new version of a row
-- without touching an index (a HOT update), and is cleaned without VACUUM.
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

-- No index has a column that changes with every write. updated_at does, and an index on it would end
-- HOT updates for the whole table, so a query sorted by updated_at sorts what its filter leaves.
--
-- Where pages are read in an order, session_id breaks ties. Read backwards, these give the newest first,
-- equal times by ascending session_id, no time last; written forwards, they grow at their end.
CREATE INDEX IF NOT EXISTS idx_sessions_player_id ON sessions (player_id);
CREATE INDEX IF NOT EXISTS idx_sessions_started_at ON sessions (started_at, session_id DESC);
CREATE INDEX IF NOT EXISTS idx_sessions_completed_at ON sessions (completed_at NULLS FIRST, session_id DESC)
    WHERE completed_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS idx_sessions_incomplete ON sessions (started_at, session_id DESC)
    WHERE completed_at IS NULL;
-- On the column, not on encounter->>'difficulty': with an expression over encounter every change of
-- encounter would count as a change of the index.
CREATE INDEX IF NOT EXISTS idx_sessions_difficulty ON sessions (difficulty);

INSERT INTO session_store_migrations (version, name) VALUES (1, 'sessions') ON CONFLICT DO NOTHING;
