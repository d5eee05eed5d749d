-- apply_session_events: decides a batch of events by the order law, and applies it. Each field is an array, and each
-- event an element.
--
-- A call has every session id at most once; SQLSTATE 21000 otherwise. Rows are locked in the order of session ids, so
-- concurrent calls wait for each other and never deadlock. The caller owns the transaction, which must be READ
-- COMMITTED. By default a call is one transaction.
--
-- Returns one row an event, in no order: its outcome (stored, deleted, absent, superseded, duplicate, conflict) and
-- the session's ledger entry that the event found; nulls when there was none.
--
-- A write of an erased player, up to the revision of the erasure, is a delete at its own revision, after every other
-- event of that revision. Its outcome is superseded. Its row reports a delete at the erasure's revision, unless it
-- found a newer entry. A later write of that player that is stored has the same row.
--
-- This text is the same in every layout. Three functions differ between layouts, and are called once a batch:
-- advance_ledger, store_sessions and ledger_entries.

CREATE OR REPLACE FUNCTION apply_session_events(
    p_session_ids        text[],
    p_revisions          bigint[],
    p_event_ids          uuid[],
    p_expected_revisions bigint[],       -- null: any; 0: the session must not exist; n: it must be at revision n
    p_deletes            boolean[],      -- true: a delete; its fields below are null
    p_player_ids         text[],
    p_encounters         text[],         -- JSON text, as are states and extras
    p_states             text[],
    p_extras             text[],         -- null when the session has no other fields
    p_started_ats        timestamptz[],
    p_completed_ats      timestamptz[],
    p_updated_ats        timestamptz[] DEFAULT NULL  -- of an import: the time of the session's last change; null: now
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE plpgsql
-- Plans are kept for the life of a connection, here and in the called functions. Without the first setting, a plan
-- from the time when the tables were small would scan them when they are large. Without the second, a call of few
-- events would plan each statement again, which costs more than to run it.
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
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
    -- A varchar(255) silently cuts off trailing spaces.
    IF EXISTS (SELECT FROM unnest(p_session_ids || p_player_ids) AS id WHERE length(id) > 255) THEN
        RAISE string_data_right_truncation USING MESSAGE = 'an id is longer than 255 characters';
    END IF;

    -- First a lock for which an erasure waits, held to the end of the transaction. It is a statement of its own, so
    -- the next statement sees every erasure that did not wait. No row is locked, and pg_dump does not wait.
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

    -- The ledger: lock, compare, replace.
    SELECT * INTO won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes
      FROM advance_ledger(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, p_deletes);

    -- The table, in statements of their own. Their snapshots are taken while the ledger's rows are locked, so they
    -- see every commit of an earlier call.
    IF won_ids IS NOT NULL THEN
        -- See adopt_inserted_sessions. It is not a setting of the function, because the owner, no superuser, may not
        -- give a function a custom setting.
        PERFORM set_config('session_store.applying', 'on', true);
        PERFORM store_sessions(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                               p_started_ats, p_completed_ats, p_updated_ats, won_ids);
        PERFORM set_config('session_store.applying', 'off', true);
    END IF;

    IF coalesce(cardinality(won_ids), 0) < cardinality(p_session_ids) THEN
        -- A session that was created after this call found none still counts as absent.
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
                  LEFT JOIN ledger_entries(ARRAY(
                       SELECT id FROM unnest(p_session_ids) AS id
                        WHERE (id IN (SELECT unnest(won_ids))) IS NOT TRUE)) AS entry
                    ON entry.session_id = event.session_id
                   AND ((entry.revision, entry.event_id) >= (event.revision, event.event_id)
                        OR entry.revision <> event.expected_revision
                        OR entry.outcome <> 'stored')
                 WHERE (event.session_id IN (SELECT unnest(won_ids))) IS NOT TRUE)  -- a hash table, not a join
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

-- It runs with its owner's rights: workers need no right on the tables. On Citus it runs with its caller's rights:
-- Citus logs in to the other nodes as the caller, and the owner does not log in.
DO $rights$
BEGIN
    IF to_regclass('session_buckets') IS NULL THEN
        EXECUTE format('ALTER FUNCTION apply_session_events SECURITY DEFINER SET search_path = %I, pg_temp',
                       current_schema());
    END IF;
    REVOKE ALL ON FUNCTION apply_session_events FROM PUBLIC;
END
$rights$;
