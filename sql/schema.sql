-- The whole schema on one page: the result of all migrations on an empty database, in the schema `public`. It is for
-- reading, and for psql. The migrations prepare a database for use, because they also record themselves.
--
-- `make schema` writes this file; a test compares it with the migrations.

SET check_function_bodies = false;

CREATE TABLE sessions (
    session_id character varying(255) NOT NULL,
    player_id character varying(255) NOT NULL,
    encounter jsonb NOT NULL,
    state jsonb NOT NULL,
    started_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now(),
    updated_at timestamp with time zone DEFAULT now(),
    revision bigint DEFAULT (floor((EXTRACT(epoch FROM now()) * (1000000)::numeric)))::bigint NOT NULL,
    extra jsonb,
    difficulty text GENERATED ALWAYS AS ((encounter ->> 'difficulty'::text)) STORED
)
WITH (fillfactor='70');

CREATE VIEW active_sessions AS
 SELECT sessions.session_id,
    sessions.player_id,
    sessions.encounter,
    sessions.state,
    sessions.started_at,
        CASE
            WHEN isfinite(sessions.started_at) THEN EXTRACT(epoch FROM (now() - sessions.started_at))
            ELSE NULL::numeric
        END AS duration_seconds
   FROM sessions
  WHERE (sessions.completed_at IS NULL)
  ORDER BY sessions.started_at DESC;

CREATE TABLE session_erasures (
    player_digest bytea NOT NULL,
    revision bigint NOT NULL,
    erased_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT session_erasures_revision_is_exact_in_json CHECK (((revision >= 1) AND (revision <= '9007199254740991'::bigint)))
);

COMMENT ON TABLE session_erasures IS 'Erased players: no trace of their sessions stays, and no late event up to the revision brings one back.';

COMMENT ON COLUMN session_erasures.player_digest IS 'SHA-256 of the player''s id in UTF-8.';

CREATE TABLE session_ledger (
    session_id character varying(255) NOT NULL,
    revision bigint NOT NULL,
    event_id uuid NOT NULL,
    outcome text NOT NULL,
    deleted_at timestamp with time zone,
    expected_revision bigint,
    replaced_revision bigint,
    replaced_event_id uuid,
    replaced_outcome text,
    started_at timestamp with time zone,
    CONSTRAINT session_ledger_deleted_or_live CHECK (((outcome = 'stored'::text) = (deleted_at IS NULL))),
    CONSTRAINT session_ledger_outcome_is_known CHECK ((outcome = ANY (ARRAY['stored'::text, 'deleted'::text, 'absent'::text]))),
    CONSTRAINT session_ledger_revision_is_exact_in_json CHECK (((revision >= 1) AND (revision <= '9007199254740991'::bigint)))
)
WITH (fillfactor='80');

COMMENT ON TABLE session_ledger IS 'The last applied event of every session, live or deleted; the entry of a deleted one is its tombstone.';

COMMENT ON COLUMN session_ledger.outcome IS 'stored, deleted, or absent: a delete that found nothing.';

COMMENT ON COLUMN session_ledger.deleted_at IS 'Null while the session is live.';

COMMENT ON COLUMN session_ledger.expected_revision IS 'The revision that the event expected to replace; null: any.';

COMMENT ON COLUMN session_ledger.replaced_revision IS 'Of the entry before this one; null when this is the first.';

COMMENT ON COLUMN session_ledger.started_at IS 'Where the row is, if sessions are partitioned; null also where no event has said it yet.';

CREATE TABLE session_store_migrations (
    version bigint NOT NULL,
    name text NOT NULL,
    checksum text,
    applied_at timestamp with time zone DEFAULT now() NOT NULL,
    replaced jsonb
);

COMMENT ON TABLE session_store_migrations IS 'The migrations that were applied.';

COMMENT ON COLUMN session_store_migrations.checksum IS 'SHA-256 of the file; null until `session-store migrate` has seen it.';

COMMENT ON COLUMN session_store_migrations.replaced IS 'Objects of the storage plugin that are different ones now: their names, and how they were defined.';

CREATE TABLE session_totals (
    id bigint NOT NULL,
    sessions bigint NOT NULL,
    completed bigint NOT NULL,
    seconds numeric NOT NULL
);

COMMENT ON TABLE session_totals IS 'The sum of the rows is the statistics of all sessions, in every snapshot, whoever writes to sessions.';

COMMENT ON COLUMN session_totals.seconds IS 'From start to completion.';

ALTER TABLE session_totals ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME session_totals_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY session_erasures
    ADD CONSTRAINT session_erasures_pkey PRIMARY KEY (player_digest);

ALTER TABLE ONLY session_ledger
    ADD CONSTRAINT session_ledger_pkey PRIMARY KEY (session_id);

ALTER TABLE ONLY session_store_migrations
    ADD CONSTRAINT session_store_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY session_totals
    ADD CONSTRAINT session_totals_pkey PRIMARY KEY (id);

ALTER TABLE ONLY sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (session_id);

CREATE INDEX idx_sessions_completed_at ON sessions USING btree (completed_at NULLS FIRST, session_id DESC) WHERE (completed_at IS NOT NULL);

CREATE INDEX idx_sessions_difficulty ON sessions USING btree (difficulty);

CREATE INDEX idx_sessions_incomplete ON sessions USING btree (started_at, session_id DESC) WHERE (completed_at IS NULL);

CREATE INDEX idx_sessions_incomplete_by_id ON sessions USING btree (session_id) WHERE (completed_at IS NULL);

CREATE INDEX idx_sessions_player_id ON sessions USING btree (player_id);

CREATE INDEX idx_sessions_started_at ON sessions USING btree (started_at, session_id DESC);

\ir functions/add_session_totals.sql
\ir functions/adopt_inserted_sessions.sql
\ir functions/advance_ledger.sql
\ir functions/apply_session_events.sql
\ir functions/delete_sessions.sql
\ir functions/delete_tombstones.sql
\ir functions/event_outcome.sql
\ir functions/event_wins.sql
\ir functions/exact_session_stats.sql
\ir functions/get_session_stats.sql
\ir functions/ledger_entries.sql
\ir functions/mark_erasure.sql
\ir functions/note_session_change.sql
\ir functions/refuse_expecting_insertion.sql
\ir functions/refuse_lower_revision.sql
\ir functions/refuse_older_session.sql
\ir functions/removed_since_erasure.sql
\ir functions/session_seconds.sql
\ir functions/store_sessions.sql

CREATE TRIGGER expecting_events_replace AFTER INSERT ON session_ledger FOR EACH ROW WHEN (((new.expected_revision > 0) AND (new.replaced_revision IS NULL))) EXECUTE FUNCTION refuse_expecting_insertion();

CREATE TRIGGER inserted_sessions_are_adopted AFTER INSERT ON sessions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT WHEN ((current_setting('session_store.applying'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION adopt_inserted_sessions();

CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON session_erasures FOR EACH ROW WHEN ((new.revision < old.revision)) EXECUTE FUNCTION refuse_lower_revision();

CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON session_ledger FOR EACH ROW WHEN ((ROW(new.revision, new.event_id) < ROW(old.revision, old.event_id))) EXECUTE FUNCTION refuse_lower_revision();

CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON sessions FOR EACH ROW WHEN ((new.revision < old.revision)) EXECUTE FUNCTION refuse_older_session();

CREATE TRIGGER session_totals_delete AFTER DELETE ON sessions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();

CREATE TRIGGER session_totals_insert AFTER INSERT ON sessions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();

CREATE TRIGGER session_totals_note AFTER UPDATE ON sessions FOR EACH ROW WHEN (((old.completed_at IS DISTINCT FROM new.completed_at) OR (old.started_at <> new.started_at))) EXECUTE FUNCTION note_session_change();

CREATE TRIGGER session_totals_truncate AFTER TRUNCATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();

CREATE TRIGGER session_totals_update AFTER UPDATE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();

\ir compression.sql
