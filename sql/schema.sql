-- The whole schema on one page: what all migrations together make of an empty database. For reading, and
-- for tools that want a schema file. A database that is to be used is prepared by the migrations, which also
-- note what was applied; a test compares the two.

-- What was applied.

CREATE TABLE session_store_migrations (
    version    bigint      PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text,       -- SHA-256 of the file; null until `session-store migrate` has seen it
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- The sessions.

-- fillfactor: engines write a session many times; a page with room takes the new version of a row
-- without touching an index (a HOT update), and is cleaned without VACUUM.
CREATE TABLE sessions (
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
CREATE INDEX idx_sessions_player_id ON sessions (player_id);
CREATE INDEX idx_sessions_started_at ON sessions (started_at, session_id DESC);
CREATE INDEX idx_sessions_completed_at ON sessions (completed_at NULLS FIRST, session_id DESC)
    WHERE completed_at IS NOT NULL;
CREATE INDEX idx_sessions_incomplete ON sessions (started_at, session_id DESC)
    WHERE completed_at IS NULL;
CREATE INDEX idx_sessions_incomplete_by_id ON sessions (session_id)
    WHERE completed_at IS NULL;
-- On the column, not on encounter->>'difficulty': with an expression over encounter every change of
-- encounter would count as a change of the index.
CREATE INDEX idx_sessions_difficulty ON sessions (difficulty);

-- The ledger: one row for every session id ever seen, live or deleted. It holds the greatest event
-- applied so far, and is locked and compared before anything else, so that the order of events is
-- that of (revision, event_id), whatever the order in which they arrive.

CREATE TABLE session_ledger (
    session_id        varchar(255) PRIMARY KEY,
    revision          bigint       NOT NULL,
    event_id          uuid         NOT NULL,
    outcome           text         NOT NULL,  -- stored | deleted | absent (a delete that found nothing)
    deleted_at        timestamptz,            -- null while the session is live
    expected_revision bigint,                 -- what the event expected to replace; null: anything
    replaced_revision bigint,                 -- the entry before this one; null when this is the first
    replaced_event_id uuid,
    replaced_outcome  text,
    started_at        timestamptz,            -- where the row is, if sessions are partitioned
    CONSTRAINT session_ledger_revision_is_exact_in_json CHECK (revision BETWEEN 1 AND 9007199254740991),
    CONSTRAINT session_ledger_outcome_is_known CHECK (outcome IN ('stored', 'deleted', 'absent')),
    CONSTRAINT session_ledger_deleted_or_live CHECK ((outcome = 'stored') = (deleted_at IS NULL))
) WITH (fillfactor = 80);

-- The players that were erased: no trace of their sessions stays, and no late event brings one back.
--
-- Whose writes stay out, and up to which revision. The id itself would be what was to be erased; the SHA-256 of its
-- UTF-8 is enough to know it again by.
CREATE TABLE session_erasures (
    player_digest bytea       PRIMARY KEY,
    revision      bigint      NOT NULL,
    erased_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT session_erasures_revision_is_exact_in_json CHECK (revision BETWEEN 1 AND 9007199254740991)
);

-- apply_session_events: judges and applies a batch of events, one array a field, one element an event.
--
-- Every session id at most once in a call; SQLSTATE 21000 otherwise. Rows are locked in the order of
-- session ids, so calls that run at the same time wait for each other and never deadlock. The caller owns the
-- transaction, which must be READ COMMITTED; one call is one transaction unless it says otherwise.
--
-- Returns one row an event, in no order: its outcome (stored, deleted, absent, superseded, duplicate,
-- conflict) and the session's ledger entry as the event found it; nulls when there was none.
--
-- A write of an erased player, up to the revision of the erasure, is a delete at its own revision, after every
-- other event of that revision, and its outcome is superseded. It is told that it found a delete at the erasure's
-- revision, unless it found something newer; and so is a later write of that player which is stored.

CREATE FUNCTION apply_session_events(
    p_session_ids        text[],
    p_revisions          bigint[],
    p_event_ids          uuid[],
    p_expected_revisions bigint[],       -- null: any; 0: must not be there; n: must be at revision n
    p_deletes            boolean[],      -- true: a delete, whose fields from here on are null
    p_player_ids         text[],
    p_encounters         text[],         -- JSON text, as are states and extras
    p_states             text[],
    p_extras             text[],         -- null when the session has no other fields
    p_started_ats        timestamptz[],
    p_completed_ats      timestamptz[]
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE plpgsql
-- Plans are kept for the life of a connection. One made while the tables were small must not scan them
-- when they are large.
SET enable_seqscan = off
AS $function$
#variable_conflict use_column
DECLARE
    won_ids             text[];
    won_outcomes        text[];
    replaced_revisions  bigint[];
    replaced_event_ids  uuid[];
    replaced_outcomes   text[];
    erasures            bigint[];  -- for each event the revision up to which its player is erased, or null
    after_all           CONSTANT uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
BEGIN
    -- A varchar(255) cuts off trailing spaces without a word.
    IF EXISTS (SELECT FROM unnest(p_session_ids || p_player_ids) AS id WHERE length(id) > 255) THEN
        RAISE string_data_right_truncation USING MESSAGE = 'an id is longer than 255 characters';
    END IF;

    -- Before anything else a lock that an erasure waits for, held to the end of the transaction, and taken in a
    -- statement of its own: the next one sees every erasure that did not wait. No row is locked, and pg_dump
    -- waits for nobody.
    PERFORM FROM session_erasures WHERE false FOR KEY SHARE;
    IF EXISTS (SELECT FROM session_erasures) THEN
        SELECT array_agg(erasure.revision ORDER BY event.place)
          INTO erasures
          FROM unnest(p_player_ids) WITH ORDINALITY AS event (player_id, place)
          LEFT JOIN session_erasures AS erasure
            ON erasure.player_digest = sha256(convert_to(event.player_id, 'UTF8'))
        HAVING count(erasure.revision) > 0;
    END IF;
    IF erasures IS NOT NULL THEN
        SELECT array_agg(event.is_delete OR coalesce(event.revision <= event.erased, false) ORDER BY event.place),
               array_agg(CASE WHEN event.revision <= event.erased THEN after_all ELSE event.event_id END
                         ORDER BY event.place)
          INTO p_deletes, p_event_ids
          FROM unnest(p_revisions, p_event_ids, p_deletes, erasures) WITH ORDINALITY
               AS event (revision, event_id, is_delete, erased, place);
    END IF;

    -- First the ledger: lock, compare, take over. A row whose WHERE is false is locked all the same.
    -- An event that expects a revision never inserts, so it passes only where there is an entry; the
    -- scalar subselect keeps that a look-up by key, which EXISTS under OR would not be.
    WITH won AS (
        INSERT INTO session_ledger AS entry
                    (session_id, revision, event_id, outcome, deleted_at, expected_revision)
        SELECT event.session_id, event.revision, event.event_id,
               CASE WHEN event.is_delete THEN 'absent' ELSE 'stored' END,
               CASE WHEN event.is_delete THEN now() END,
               event.expected_revision
          FROM unnest(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, p_deletes)
               AS event (session_id, revision, event_id, expected_revision, is_delete)
         WHERE coalesce(event.expected_revision, 0) = 0
            OR (SELECT true FROM session_ledger AS known WHERE known.session_id = event.session_id)
         ORDER BY event.session_id COLLATE "C"
        ON CONFLICT (session_id) DO UPDATE
           SET revision = excluded.revision,
               event_id = excluded.event_id,
               outcome = CASE WHEN excluded.outcome = 'stored' THEN 'stored'
                              WHEN entry.outcome = 'stored' THEN 'deleted'
                              ELSE 'absent' END,
               deleted_at = excluded.deleted_at,
               expected_revision = excluded.expected_revision,
               replaced_revision = entry.revision,
               replaced_event_id = entry.event_id,
               replaced_outcome = entry.outcome
         WHERE (entry.revision, entry.event_id) < (excluded.revision, excluded.event_id)
           AND (excluded.expected_revision IS NULL
                OR excluded.expected_revision
                   = CASE WHEN entry.outcome = 'stored' THEN entry.revision ELSE 0 END)
        RETURNING entry.session_id, entry.outcome,
                  entry.replaced_revision, entry.replaced_event_id, entry.replaced_outcome
    )
    SELECT array_agg(won.session_id::text), array_agg(won.outcome), array_agg(won.replaced_revision),
           array_agg(won.replaced_event_id), array_agg(won.replaced_outcome)
      INTO won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes
      FROM won;

    -- Then the table, in a statement of its own: its snapshot is taken with the ledger's rows locked, so
    -- it sees what every call before this one committed. Where sessions are partitioned a function knows how.
    IF to_regproc('store_sessions') IS NULL THEN
        INSERT INTO sessions AS stored
                    (session_id, player_id, encounter, state, extra, started_at, completed_at, revision, updated_at)
        SELECT event.session_id, event.player_id, event.encounter::jsonb, event.state::jsonb,
               event.extra::jsonb, event.started_at, event.completed_at, event.revision, now()
          FROM unnest(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                      p_started_ats, p_completed_ats)
               AS event (session_id, revision, is_delete, player_id, encounter, state, extra,
                         started_at, completed_at)
         WHERE NOT event.is_delete
           AND (event.session_id IN (SELECT unnest(won_ids))) IS TRUE  -- IS TRUE: a hash table, not a join
         ORDER BY event.session_id COLLATE "C"
        ON CONFLICT (session_id) DO UPDATE
           SET player_id = excluded.player_id,
               encounter = excluded.encounter,
               state = excluded.state,
               extra = excluded.extra,
               started_at = excluded.started_at,
               completed_at = excluded.completed_at,
               revision = excluded.revision,
               updated_at = excluded.updated_at;

        IF true = ANY (p_deletes) THEN
            DELETE FROM sessions
             WHERE session_id = ANY (ARRAY(
                   SELECT won.session_id FROM unnest(won_ids, won_outcomes) AS won (session_id, outcome)
                    WHERE won.outcome <> 'stored'));
        END IF;
    ELSIF won_ids IS NOT NULL THEN
        PERFORM store_sessions(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                               p_started_ats, p_completed_ats, won_ids);
    END IF;

    IF coalesce(cardinality(won_ids), 0) < cardinality(p_session_ids) THEN
        -- A session that came to be after this call found none still counts as not there.
        SELECT won_ids || array_agg(lost.session_id), won_outcomes || array_agg(lost.outcome),
               replaced_revisions || array_agg(lost.revision), replaced_event_ids || array_agg(lost.event_id),
               replaced_outcomes || array_agg(lost.entry_outcome)
          INTO won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes
          FROM (SELECT event.session_id,
                       CASE WHEN (entry.revision, entry.event_id) = (event.revision, event.event_id) THEN 'duplicate'
                            WHEN (entry.revision, entry.event_id) > (event.revision, event.event_id) THEN 'superseded'
                            ELSE 'conflict' END,
                       entry.revision, entry.event_id, entry.outcome
                  FROM unnest(p_session_ids, p_revisions, p_event_ids, p_expected_revisions)
                       AS event (session_id, revision, event_id, expected_revision)
                  LEFT JOIN LATERAL (
                       SELECT * FROM session_ledger AS found
                        WHERE found.session_id = event.session_id
                          AND ((found.revision, found.event_id) >= (event.revision, event.event_id)
                               OR found.revision <> event.expected_revision
                               OR found.outcome <> 'stored')
                        LIMIT 1) AS entry ON true
                 WHERE (event.session_id IN (SELECT unnest(won_ids))) IS NOT TRUE)
               AS lost (session_id, outcome, revision, event_id, entry_outcome);
    END IF;

    IF erasures IS NULL THEN
        RETURN QUERY
        SELECT * FROM unnest(won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes);
        RETURN;
    END IF;
    RETURN QUERY
    SELECT answer.session_id,
           CASE WHEN event.revision <= event.erased THEN 'superseded' ELSE answer.outcome END,
           CASE WHEN found.nothing_newer THEN event.erased ELSE answer.revision END,
           CASE WHEN found.nothing_newer THEN after_all ELSE answer.event_id END,
           CASE WHEN found.nothing_newer THEN 'absent' ELSE answer.entry_outcome END
      FROM unnest(won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes)
           AS answer (session_id, outcome, revision, event_id, entry_outcome)
      JOIN unnest(p_session_ids, p_revisions, erasures) AS event (session_id, revision, erased) USING (session_id),
           LATERAL (SELECT (event.revision <= event.erased OR (answer.outcome = 'stored' AND event.erased > 0))
                           AND coalesce(answer.revision <= event.erased, true)) AS found (nothing_newer);
END
$function$;

-- The statistics of all sessions, kept by what writes to `sessions`.

-- The sum of the rows is the totals, in every snapshot. Rows are only added, so writers never wait for each other;
-- one in 512 puts the sum of those that nobody has locked in their place.
CREATE TABLE session_totals (
    id        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sessions  bigint  NOT NULL,
    completed bigint  NOT NULL,
    seconds   numeric NOT NULL  -- from start to completion
);

-- How long a session took; null when it is not complete, 0 when a time of it is infinite.
CREATE FUNCTION session_seconds(p_started_at timestamptz, p_completed_at timestamptz) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT CASE WHEN isfinite(p_started_at) AND isfinite(p_completed_at)
                THEN extract(epoch FROM p_completed_at - p_started_at)::numeric
                WHEN p_completed_at IS NOT NULL THEN 0 END
$function$;

-- For each updated row whose times changed: what that changes, added up in a setting of the transaction until the
-- statement ends. A transition table would hold every updated row, old and new, and cost each update a tenth.
-- It looks up nothing: a writer may have any search_path.
CREATE FUNCTION note_session_change() RETURNS trigger
LANGUAGE plpgsql
AS $function$
DECLARE
    noted text := coalesce(current_setting('session_store.noted', true), '');
    completed bigint := (NEW.completed_at IS NOT NULL)::int - (OLD.completed_at IS NOT NULL)::int;
    seconds numeric := CASE WHEN isfinite(NEW.started_at) AND isfinite(NEW.completed_at)
                            THEN extract(epoch FROM NEW.completed_at - NEW.started_at)::numeric ELSE 0 END
                     - CASE WHEN isfinite(OLD.started_at) AND isfinite(OLD.completed_at)
                            THEN extract(epoch FROM OLD.completed_at - OLD.started_at)::numeric ELSE 0 END;
BEGIN
    IF noted <> '' THEN
        completed := completed + split_part(noted, ' ', 1)::bigint;
        seconds := seconds + split_part(noted, ' ', 2)::numeric;
    END IF;
    PERFORM set_config('session_store.noted', completed || ' ' || seconds, true);
    RETURN NULL;
END
$function$;

-- After each statement: what it changed becomes a row. It runs as its owner, so that whoever may write sessions
-- needs no right on the totals.
CREATE FUNCTION add_session_totals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
DECLARE
    noted text;
    added bigint;
BEGIN
    CASE TG_OP
    WHEN 'INSERT' THEN
        INSERT INTO session_totals (sessions, completed, seconds)
        SELECT count(*), count(completed_at), coalesce(sum(session_seconds(started_at, completed_at)), 0)
          FROM new_rows
        HAVING count(*) > 0
        RETURNING id INTO added;
    WHEN 'DELETE' THEN
        INSERT INTO session_totals (sessions, completed, seconds)
        SELECT -count(*), -count(completed_at), -coalesce(sum(session_seconds(started_at, completed_at)), 0)
          FROM old_rows
        HAVING count(*) > 0
        RETURNING id INTO added;
    WHEN 'UPDATE' THEN
        noted := current_setting('session_store.noted', true);
        IF noted <> '' THEN
            PERFORM set_config('session_store.noted', '', true);
            INSERT INTO session_totals (sessions, completed, seconds)
            VALUES (0, split_part(noted, ' ', 1)::bigint, split_part(noted, ' ', 2)::numeric)
            RETURNING id INTO added;
        END IF;
    WHEN 'TRUNCATE' THEN
        TRUNCATE session_totals;  -- like the sessions: gone for every snapshot, back after a rollback
    END CASE;

    -- An older snapshot could not pass over what others have folded since; it would fail. In order of the key, because a
    -- scan of the table counts as so dear where those are switched off that PostgreSQL compiles it, for 100 ms.
    IF added % 512 = 0 AND current_setting('transaction_isolation') = 'read committed' THEN
        WITH folded AS (
            DELETE FROM session_totals
             WHERE id = ANY (ARRAY(SELECT id FROM session_totals ORDER BY id FOR UPDATE SKIP LOCKED))
            RETURNING sessions, completed, seconds
        )
        INSERT INTO session_totals (sessions, completed, seconds)
        SELECT sum(sessions), sum(completed), sum(seconds) FROM folded;
    END IF;
    RETURN NULL;
END
$function$;

DO $own$
BEGIN
    EXECUTE format('ALTER FUNCTION add_session_totals() SET search_path = %I, pg_temp', current_schema());
END
$own$;

CREATE TRIGGER session_totals_insert AFTER INSERT ON sessions REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
CREATE TRIGGER session_totals_delete AFTER DELETE ON sessions REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
CREATE TRIGGER session_totals_truncate AFTER TRUNCATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();
CREATE TRIGGER session_totals_note AFTER UPDATE ON sessions FOR EACH ROW
    WHEN (OLD.completed_at IS DISTINCT FROM NEW.completed_at OR OLD.started_at <> NEW.started_at)
    EXECUTE FUNCTION note_session_change();
CREATE TRIGGER session_totals_update AFTER UPDATE ON sessions
    FOR EACH STATEMENT EXECUTE FUNCTION add_session_totals();

-- Walls of the database's own: a revision never goes down, whoever writes; and workers need no right to write to the
-- tables. They call what writes for them, with its owner's rights: so the order law is all that a worker can do to a
-- session, whatever it is made to ask for.

-- Called for a row whose revision goes down, and for no other: the triggers' conditions decide without a call.
CREATE FUNCTION refuse_lower_revision() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('a revision never goes down: %s after %s', NEW.revision, OLD.revision),
        CONSTRAINT = 'revisions_only_rise', TABLE = TG_TABLE_NAME;
END
$function$;

-- Called for a new ledger entry of an event that expects a revision: there was one when `apply_session_events` looked, and
-- `remove_markers` has forgotten it since. Who asked applies the event again, which finds none then.
CREATE FUNCTION refuse_expecting_insertion() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE serialization_failure USING
        MESSAGE = format('the entry of the session that expects revision %s has just gone', NEW.expected_revision);
END
$function$;

-- The same for sessions, where it may go down to that of the ledger: the storage plugin knows no order, and the next
-- event of a session replaces what it wrote, at whatever revision that has.
CREATE FUNCTION refuse_older_session() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    IF EXISTS (SELECT FROM session_ledger AS entry
                WHERE entry.session_id = NEW.session_id
                  AND entry.revision = NEW.revision
                  AND entry.outcome = 'stored') THEN
        RETURN NEW;
    END IF;
    RAISE check_violation USING
        MESSAGE = format('a revision never goes down: %s after %s', NEW.revision, OLD.revision),
        CONSTRAINT = 'revisions_only_rise', TABLE = TG_TABLE_NAME;
END
$function$;

-- Keeps the writes of a player out up to a revision, or the greater one of an erasure before, which it returns. It waits
-- until every transaction that applies events has ended, and keeps new ones waiting until this one ends.
CREATE FUNCTION mark_erasure(p_player_id text, p_revision bigint)
RETURNS TABLE (revision bigint, erased_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
#variable_conflict use_column
BEGIN
    LOCK TABLE session_erasures IN EXCLUSIVE MODE;
    RETURN QUERY
    INSERT INTO session_erasures AS known (player_digest, revision)
    VALUES (sha256(convert_to(p_player_id, 'UTF8')), p_revision)
        ON CONFLICT (player_digest) DO UPDATE
       SET revision = greatest(known.revision, excluded.revision),
           erased_at = excluded.erased_at
    RETURNING known.revision, known.erased_at;
END
$function$;

-- The sessions that nothing but a removal has touched since a player was marked as erased last: those of that erasure,
-- and what others removed meanwhile. An erasure that is done again asks, and announces them. It reads the whole ledger:
-- an index for it would end HOT updates there. A minute is for servers whose clocks differ.
CREATE FUNCTION removed_since_erasure(p_player_id text)
RETURNS TABLE (session_id text, revision bigint)
LANGUAGE sql STABLE SECURITY DEFINER
AS $function$
    SELECT entry.session_id::text, entry.revision
      FROM session_ledger AS entry
     WHERE entry.event_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
       AND entry.deleted_at >= (SELECT erasure.erased_at - interval '1 minute'
                                  FROM session_erasures AS erasure
                                 WHERE erasure.player_digest = sha256(convert_to(p_player_id, 'UTF8')))
$function$;

-- Applies deletes and nothing else, as apply_session_events does: for those who remove what is old, and write no session.
CREATE FUNCTION delete_sessions(
    p_session_ids        text[],
    p_revisions          bigint[],
    p_event_ids          uuid[],
    p_expected_revisions bigint[]
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE sql SECURITY DEFINER
AS $function$
    SELECT applied.*
      FROM (SELECT array_fill(true, ARRAY[cardinality(p_session_ids)]) AS deletes,
                   array_fill(NULL::text, ARRAY[cardinality(p_session_ids)]) AS texts,
                   array_fill(NULL::timestamptz, ARRAY[cardinality(p_session_ids)]) AS times) AS no,
           LATERAL apply_session_events(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, deletes,
                                        texts, texts, texts, texts, times, times) AS applied
$function$;

-- Forgets that these sessions were deleted, where that is more than so many days ago, one at least; returns those that
-- are gone. Locked in the order in which events lock them, so that neither waits for the other in a circle.
CREATE FUNCTION remove_markers(p_session_ids text[], p_days integer) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off
AS $function$
BEGIN
    RETURN QUERY
    DELETE FROM session_ledger
     WHERE session_id = ANY (ARRAY(
           SELECT session_id
             FROM session_ledger
            WHERE session_id = ANY (p_session_ids)
              AND deleted_at < now() - make_interval(days => greatest(p_days, 1))
            ORDER BY session_id COLLATE "C"
              FOR UPDATE))
    RETURNING session_id::text;
END
$function$;

CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON session_erasures FOR EACH ROW
    WHEN (NEW.revision < OLD.revision) EXECUTE FUNCTION refuse_lower_revision();
CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON session_ledger FOR EACH ROW
    WHEN ((NEW.revision, NEW.event_id) < (OLD.revision, OLD.event_id)) EXECUTE FUNCTION refuse_lower_revision();
CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON sessions FOR EACH ROW
    WHEN (NEW.revision < OLD.revision) EXECUTE FUNCTION refuse_older_session();
CREATE TRIGGER expecting_events_replace AFTER INSERT ON session_ledger FOR EACH ROW
    WHEN (NEW.expected_revision > 0 AND NEW.replaced_revision IS NULL) EXECUTE FUNCTION refuse_expecting_insertion();

DO $own$
BEGIN
    EXECUTE format('ALTER FUNCTION refuse_older_session() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION mark_erasure SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION removed_since_erasure SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION delete_sessions SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION remove_markers SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION apply_session_events SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());
    REVOKE ALL ON FUNCTION apply_session_events, delete_sessions, mark_erasure, removed_since_erasure, remove_markers
        FROM PUBLIC;
END
$own$;

-- What the storage plugin that this program replaces offered to SQL, with the same columns.

CREATE VIEW active_sessions AS
SELECT session_id, player_id, encounter, state, started_at,
       extract(epoch FROM now() - started_at)::numeric AS duration_seconds
  FROM sessions
 WHERE completed_at IS NULL
 ORDER BY started_at DESC;

-- Everybody's are the totals; a player's are counted. The average is null when no session is complete.
-- TRUNCATE locks sessions and then session_totals, so this names them in that order. Each half has its condition
-- outside, where it is not even planned when it is false: a plan of all sessions is dear enough to be compiled.
CREATE FUNCTION get_session_stats(p_player_id varchar DEFAULT NULL)
RETURNS TABLE (
    total_sessions bigint,
    completed_sessions bigint,
    active_sessions bigint,
    avg_completion_time_seconds numeric
)
LANGUAGE sql STABLE
AS $function$
    SELECT sessions, completed, sessions - completed, seconds / nullif(completed, 0)
      FROM (SELECT *
              FROM (SELECT count(*), count(completed_at), sum(session_seconds(started_at, completed_at))
                      FROM sessions
                     WHERE player_id = p_player_id) AS counted
             WHERE p_player_id IS NOT NULL
             UNION ALL
            SELECT *
              FROM (SELECT coalesce(sum(sessions), 0)::bigint, coalesce(sum(completed), 0)::bigint, sum(seconds)
                      FROM session_totals) AS kept
             WHERE p_player_id IS NULL) AS totals (sessions, completed, seconds)
$function$;
