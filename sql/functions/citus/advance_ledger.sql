-- advance_ledger: as ../advance_ledger.sql, on Citus. Each statement is for one bucket, which is one task on one
-- node. The order of buckets is fixed, so concurrent calls never deadlock.
--
-- Citus cannot share the text of the plain layout: every statement names the bucket, the conflict is on (bucket,
-- session_id), and an insertion selects from `session_buckets`. The look-up of known sessions within the insertion
-- would be a task for every shard.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NOT NULL THEN

CREATE OR REPLACE FUNCTION advance_ledger(
    p_session_ids          text[],
    p_revisions            bigint[],
    p_event_ids            uuid[],
    p_expected_revisions   bigint[],
    p_deletes              boolean[],
    OUT won_ids            text[],
    OUT won_outcomes       text[],
    OUT replaced_revisions bigint[],
    OUT replaced_event_ids uuid[],
    OUT replaced_outcomes  text[]
)
LANGUAGE plpgsql
SET plan_cache_mode = auto  -- Citus finds the node by the actual values
AS $function$
#variable_conflict use_column
DECLARE
    share     record;
    known_ids text[];
    won       record;
BEGIN
    FOR share IN
        SELECT session_bucket(event.session_id) AS bucket,
               array_agg(event.session_id) AS session_ids, array_agg(event.revision) AS revisions,
               array_agg(event.event_id) AS event_ids, array_agg(event.expected_revision) AS expected_revisions,
               array_agg(event.is_delete) AS deletes
          FROM unnest(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, p_deletes)
               AS event (session_id, revision, event_id, expected_revision, is_delete)
         GROUP BY session_bucket(event.session_id)
         ORDER BY session_bucket(event.session_id)
    LOOP
        -- Entries whose revision an event expects are locked, so that none is deleted meanwhile: Citus has no trigger
        -- to refuse that.
        known_ids := '{}';
        IF 0 < ANY (share.expected_revisions) THEN
            FOR won IN
                SELECT session_id FROM session_ledger
                 WHERE bucket = share.bucket
                   AND session_id = ANY (ARRAY(
                       SELECT event.session_id FROM unnest(share.session_ids, share.expected_revisions)
                              AS event (session_id, expected_revision) WHERE event.expected_revision > 0))
                 ORDER BY session_id COLLATE "C"
                   FOR KEY SHARE
            LOOP
                known_ids := known_ids || won.session_id::text;
            END LOOP;
        END IF;

        FOR won IN
            INSERT INTO session_ledger AS entry
                        (bucket, session_id, revision, event_id, outcome, deleted_at, expected_revision)
            SELECT here.bucket, event.session_id, event.revision, event.event_id,
                   event_outcome(event.is_delete, NULL),
                   CASE WHEN event.is_delete THEN now() END,
                   event.expected_revision
              FROM session_buckets AS here,
                   unnest(share.session_ids, share.revisions, share.event_ids, share.expected_revisions, share.deletes)
                   AS event (session_id, revision, event_id, expected_revision, is_delete)
             WHERE here.bucket = share.bucket
               AND (coalesce(event.expected_revision, 0) = 0 OR event.session_id = ANY (known_ids))
             ORDER BY event.session_id COLLATE "C"
            ON CONFLICT (bucket, session_id) DO UPDATE
               SET revision = excluded.revision,
                   event_id = excluded.event_id,
                   outcome = event_outcome(excluded.outcome <> 'stored', entry.outcome),
                   deleted_at = excluded.deleted_at,
                   expected_revision = excluded.expected_revision,
                   replaced_revision = entry.revision,
                   replaced_event_id = entry.event_id,
                   replaced_outcome = entry.outcome
             WHERE event_wins(entry.revision, entry.event_id, entry.outcome,
                              excluded.revision, excluded.event_id, excluded.expected_revision)
            RETURNING entry.session_id, entry.outcome,
                      entry.replaced_revision, entry.replaced_event_id, entry.replaced_outcome
        LOOP
            won_ids := won_ids || won.session_id::text;
            won_outcomes := won_outcomes || won.outcome;
            replaced_revisions := replaced_revisions || won.replaced_revision;
            replaced_event_ids := replaced_event_ids || won.replaced_event_id;
            replaced_outcomes := replaced_outcomes || won.replaced_outcome;
        END LOOP;
    END LOOP;
END
$function$;

END IF; END $layout$;
