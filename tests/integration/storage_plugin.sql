-- A database as the storage plugin left it, with rows in it.

CREATE TABLE sessions (
    session_id VARCHAR(255) PRIMARY KEY,
    player_id VARCHAR(255) NOT NULL,
    encounter JSONB NOT NULL,
    state JSONB NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    completed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW()
);

CREATE INDEX idx_sessions_player_id ON sessions (player_id);
CREATE INDEX idx_sessions_started_at ON sessions (started_at DESC);
CREATE INDEX idx_sessions_completed_at ON sessions (completed_at DESC) WHERE completed_at IS NOT NULL;
CREATE INDEX idx_sessions_difficulty ON sessions ((encounter->>'difficulty'));
CREATE INDEX idx_sessions_incomplete ON sessions (player_id, started_at) WHERE completed_at IS NULL;

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END $$;
CREATE TRIGGER touch_sessions BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

CREATE VIEW active_sessions AS
SELECT session_id, player_id, started_at FROM sessions WHERE completed_at IS NULL;

CREATE FUNCTION get_session_stats(p_player_id VARCHAR DEFAULT NULL)
RETURNS TABLE (total_sessions BIGINT, completed_sessions BIGINT, average DOUBLE PRECISION)
LANGUAGE sql AS $$ SELECT 0::bigint, 0::bigint, 0.0::double precision $$;

INSERT INTO sessions VALUES
    ('sess_done', 'player_1', '{"title": "Ashes 🧂", "difficulty": "hard"}', '{"n": 12345678901234567890.5}',
     '2025-11-07T10:30:00Z', '2025-11-07T10:45:00Z', '2025-11-07T10:30:01Z', '2025-11-07T10:45:00.123456Z'),
    ('sess_open', 'player_1', '{}', '{}', '2025-11-08T10:30:00Z', NULL, '2025-11-08T10:30:01Z', NULL),
    ('sess_bare', 'player_2', '{"difficulty": 3}', '{}', '2025-11-09T10:30:00Z', NULL, NULL, NULL),
    ('sess_old', 'player_2', '{}', '{}', '1969-12-31T23:59:59Z', NULL, NULL, '1969-12-31T23:59:59Z'),
    ('sess_never', 'player_3', '{}', '{}', '2025-11-09T10:30:00Z', NULL, NULL, 'infinity'),
    ('sess_beyond', 'player_3', '{}', '{}', '12025-11-09T10:30:00Z', '12025-11-10T10:30:00Z', NULL, NULL),
    ('sess_ancient', 'player_3', '{}', '{}', '0044-03-15T12:00:00Z BC', '-infinity', '-infinity', '-infinity');
