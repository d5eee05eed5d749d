-- store_sessions: as ../store_sessions.sql, where `sessions` is partitioned. Each snapshot here is taken while the
-- ledger's rows are locked.
--
-- A session is in one partition, which the ledger names. A row in another partition is deleted before the new row is
-- inserted, which keeps its creation time. The ledger entry of a row that no event wrote does not name its place.
-- Every partition is searched then, as for a delete of a session with an unknown place.

DO $layout$ BEGIN IF (SELECT relkind = 'p' FROM pg_class WHERE oid = 'sessions'::regclass) THEN

CREATE OR REPLACE FUNCTION store_sessions(
    p_session_ids text[], p_revisions bigint[], p_deletes boolean[], p_player_ids text[], p_encounters text[],
    p_states text[], p_extras text[], p_started_ats timestamptz[], p_completed_ats timestamptz[],
    p_updated_ats timestamptz[], p_won_ids text[]
) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = auto  -- a plan for the actual values has one partition
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
                (session_id, player_id, encounter, state, extra, started_at, completed_at, revision,
                 created_at, updated_at)
    SELECT event.session_id, event.player_id, event.encounter::jsonb, event.state::jsonb,
           event.extra::jsonb, event.started_at, event.completed_at, event.revision,
           CASE WHEN event.updated_at IS NULL THEN now() ELSE least(event.started_at, event.updated_at, now()) END,
           coalesce(event.updated_at, now())
      FROM unnest(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                  p_started_ats, p_completed_ats, p_updated_ats)
           AS event (session_id, revision, is_delete, player_id, encounter, state, extra,
                     started_at, completed_at, updated_at)
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

END IF; END $layout$;
