-- store_sessions: writes the events that won in the ledger to the table of sessions. Only apply_session_events calls
-- it, and has locked the ledger's rows. This text is for a plain table; partitioned/ and citus/ have the others.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NULL
                 AND (SELECT relkind = 'r' FROM pg_class WHERE oid = 'sessions'::regclass) THEN

CREATE OR REPLACE FUNCTION store_sessions(
    p_session_ids text[], p_revisions bigint[], p_deletes boolean[], p_player_ids text[], p_encounters text[],
    p_states text[], p_extras text[], p_started_ats timestamptz[], p_completed_ats timestamptz[],
    p_updated_ats timestamptz[], p_won_ids text[]
) RETURNS void
LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
BEGIN
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
       AND (event.session_id IN (SELECT unnest(p_won_ids))) IS TRUE  -- IS TRUE: a hash table, not a join
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
               SELECT event.session_id
                 FROM unnest(p_session_ids, p_deletes) AS event (session_id, is_delete)
                WHERE event.is_delete AND (event.session_id IN (SELECT unnest(p_won_ids))) IS TRUE));
    END IF;
END
$function$;

END IF; END $layout$;
