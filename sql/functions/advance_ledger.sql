-- advance_ledger: locks the ledger entries of a batch's sessions, and replaces the entry of each session whose event
-- wins. Returns the sessions whose event won, the outcome of each, and the replaced entry; nulls when no event won.
-- Only apply_session_events calls it. Citus has its own: citus/advance_ledger.sql.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NULL THEN

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
AS $function$
#variable_conflict use_column
BEGIN
    -- A row is locked even if its WHERE is false. An event that expects a revision never inserts, so it passes only
    -- where an entry exists. The scalar subselect makes this a look-up by key; EXISTS under OR would not.
    WITH won AS (
        INSERT INTO session_ledger AS entry
                    (session_id, revision, event_id, outcome, deleted_at, expected_revision)
        SELECT event.session_id, event.revision, event.event_id,
               event_outcome(event.is_delete, NULL),
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
    )
    SELECT array_agg(won.session_id::text), array_agg(won.outcome), array_agg(won.replaced_revision),
           array_agg(won.replaced_event_id), array_agg(won.replaced_outcome)
      INTO won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes
      FROM won;
END
$function$;

END IF; END $layout$;
