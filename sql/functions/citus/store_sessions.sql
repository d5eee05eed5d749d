-- store_sessions: as ../store_sessions.sql, on Citus. Each statement is for one bucket, which is one task on one
-- node, in the order of buckets. An insertion selects from `session_buckets`, so that Citus keeps it in the shard.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NOT NULL THEN

CREATE OR REPLACE FUNCTION store_sessions(
    p_session_ids text[], p_revisions bigint[], p_deletes boolean[], p_player_ids text[], p_encounters text[],
    p_states text[], p_extras text[], p_started_ats timestamptz[], p_completed_ats timestamptz[],
    p_updated_ats timestamptz[], p_won_ids text[]
) RETURNS void
LANGUAGE plpgsql
SET plan_cache_mode = auto  -- Citus finds the node by the actual values
AS $function$
#variable_conflict use_column
DECLARE
    share record;
BEGIN
    FOR share IN
        SELECT session_bucket(event.session_id) AS bucket,
               array_agg(event.session_id) AS session_ids, array_agg(event.revision) AS revisions,
               array_agg(event.is_delete) AS deletes, array_agg(event.player_id) AS player_ids,
               array_agg(event.encounter) AS encounters, array_agg(event.state) AS states,
               array_agg(event.extra) AS extras, array_agg(event.started_at) AS started_ats,
               array_agg(event.completed_at) AS completed_ats, array_agg(event.updated_at) AS updated_ats
          FROM unnest(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                      p_started_ats, p_completed_ats, p_updated_ats)
               AS event (session_id, revision, is_delete, player_id, encounter, state, extra,
                         started_at, completed_at, updated_at)
         WHERE event.session_id IN (SELECT unnest(p_won_ids))
         GROUP BY session_bucket(event.session_id)
         ORDER BY session_bucket(event.session_id)
    LOOP
        INSERT INTO sessions AS stored
                    (bucket, session_id, player_id, encounter, state, extra, started_at, completed_at, revision,
                     created_at, updated_at)
        SELECT here.bucket, event.session_id, event.player_id, event.encounter::jsonb, event.state::jsonb,
               event.extra::jsonb, event.started_at, event.completed_at, event.revision,
               CASE WHEN event.updated_at IS NULL THEN now() ELSE least(event.started_at, event.updated_at, now()) END,
               coalesce(event.updated_at, now())
          FROM session_buckets AS here,
               unnest(share.session_ids, share.revisions, share.deletes, share.player_ids, share.encounters,
                      share.states, share.extras, share.started_ats, share.completed_ats, share.updated_ats)
               AS event (session_id, revision, is_delete, player_id, encounter, state, extra,
                         started_at, completed_at, updated_at)
         WHERE here.bucket = share.bucket
           AND NOT event.is_delete
         ORDER BY event.session_id COLLATE "C"
        ON CONFLICT (bucket, session_id) DO UPDATE
           SET player_id = excluded.player_id,
               encounter = excluded.encounter,
               state = excluded.state,
               extra = excluded.extra,
               started_at = excluded.started_at,
               completed_at = excluded.completed_at,
               revision = excluded.revision,
               updated_at = excluded.updated_at;

        IF true = ANY (share.deletes) THEN
            DELETE FROM sessions
             WHERE bucket = share.bucket
               AND session_id = ANY (ARRAY(
                   SELECT event.session_id FROM unnest(share.session_ids, share.deletes) AS event (session_id, is_delete)
                    WHERE event.is_delete));
        END IF;
    END LOOP;
END
$function$;

END IF; END $layout$;
