-- What the partitioned layout has that the plain one has not.

-- store_sessions: what won in the ledger is written to the table. For apply_session_events alone, which has locked the
-- ledger's rows: each snapshot here is taken with them locked.
--
-- A session is in one partition, and the ledger says in which. A row that is elsewhere goes before the new one comes, which
-- has its creation time. An entry of a row that no event wrote does not know where that is: it is looked for everywhere, as
-- is what a delete does not know of.
CREATE FUNCTION store_sessions(
    p_session_ids text[], p_revisions bigint[], p_deletes boolean[], p_player_ids text[], p_encounters text[],
    p_states text[], p_extras text[], p_started_ats timestamptz[], p_completed_ats timestamptz[],
    p_won_ids text[]
) RETURNS void
LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
    moved         record;
    moved_ids     text[];
    moved_created timestamptz[];
BEGIN
    FOR moved IN
        SELECT event.session_id, event.started_at AS target, entry.started_at AS place
          FROM unnest(p_session_ids, p_deletes, p_started_ats) AS given (session_id, is_delete, started_at),
               LATERAL (SELECT given.session_id, CASE WHEN NOT given.is_delete THEN given.started_at END)
                    AS event (session_id, started_at)
          JOIN session_ledger AS entry ON entry.session_id = event.session_id
         WHERE (event.session_id IN (SELECT unnest(p_won_ids))) IS TRUE
           AND (given.is_delete
                OR (entry.started_at <> event.started_at)
                OR (entry.started_at IS NULL AND entry.replaced_outcome = 'stored'))
    LOOP
        IF moved.place IS NOT NULL THEN
            DELETE FROM sessions WHERE session_id = moved.session_id AND started_at = moved.place
            RETURNING created_at INTO moved.place;
        ELSE
            DELETE FROM sessions
             WHERE session_id = moved.session_id AND started_at IS DISTINCT FROM moved.target
            RETURNING created_at INTO moved.place;
        END IF;
        IF moved.target IS NOT NULL AND moved.place IS NOT NULL THEN
            moved_ids := moved_ids || moved.session_id;
            moved_created := moved_created || moved.place;
        END IF;
    END LOOP;

    INSERT INTO sessions AS stored
                (session_id, player_id, encounter, state, extra, started_at, completed_at, revision, updated_at)
    SELECT event.session_id, event.player_id, event.encounter::jsonb, event.state::jsonb,
           event.extra::jsonb, event.started_at, event.completed_at, event.revision, now()
      FROM unnest(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                  p_started_ats, p_completed_ats)
           AS event (session_id, revision, is_delete, player_id, encounter, state, extra,
                     started_at, completed_at)
     WHERE NOT event.is_delete
       AND (event.session_id IN (SELECT unnest(p_won_ids))) IS TRUE
     ORDER BY event.session_id COLLATE "C"
    ON CONFLICT (session_id, started_at) DO UPDATE
       SET player_id = excluded.player_id,
           encounter = excluded.encounter,
           state = excluded.state,
           extra = excluded.extra,
           completed_at = excluded.completed_at,
           revision = excluded.revision,
           updated_at = excluded.updated_at;

    FOR moved IN SELECT * FROM unnest(moved_ids, moved_created) AS gone (session_id, created_at) LOOP
        UPDATE sessions SET created_at = moved.created_at
         WHERE session_id = moved.session_id
           AND started_at = p_started_ats[array_position(p_session_ids, moved.session_id)];
    END LOOP;

    UPDATE session_ledger AS entry SET started_at = event.started_at
      FROM unnest(p_session_ids, p_deletes, p_started_ats) AS given (session_id, is_delete, started_at),
           LATERAL (SELECT given.session_id, CASE WHEN NOT given.is_delete THEN given.started_at END)
                AS event (session_id, started_at)
     WHERE entry.session_id = event.session_id
       AND (event.session_id IN (SELECT unnest(p_won_ids))) IS TRUE
       AND entry.started_at IS DISTINCT FROM event.started_at;
END
$function$;

-- Whoever moves a session by SQL of his own moves its place in the ledger. It runs as its owner, so that he needs no right on that.
CREATE FUNCTION note_session_place() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
BEGIN
    UPDATE session_ledger SET started_at = NEW.started_at WHERE session_id = NEW.session_id;
    RETURN NEW;
END
$function$;

-- stored_sessions: sessions by id, in no order; those that are not there are left out. The ledger first: with the place in hand one partition is opened and read. The plan is kept, because one for these very
-- values would cost more than it reads; it has every partition, of which all but one are removed before it begins.
CREATE FUNCTION stored_sessions(p_session_ids text[]) RETURNS SETOF sessions
LANGUAGE plpgsql STABLE
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT session_id, started_at AS place
          FROM session_ledger
         WHERE session_id = ANY (p_session_ids) AND outcome = 'stored'
    LOOP
        IF wanted.place IS NOT NULL THEN
            RETURN QUERY SELECT * FROM sessions WHERE session_id = wanted.session_id AND started_at = wanted.place;
        ELSE
            RETURN QUERY SELECT * FROM sessions WHERE session_id = wanted.session_id;
        END IF;
    END LOOP;
END
$function$;
