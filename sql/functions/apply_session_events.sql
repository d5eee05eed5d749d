-- apply_session_events: decides a batch of events by the order law, and applies it; one array a field, one element an event.
--
-- Every session id at most once in a call; SQLSTATE 21000 otherwise. Rows are locked in the order of
-- session ids, so calls that run at the same time wait for each other and never deadlock. The caller owns the
-- transaction, which must be READ COMMITTED; one call is one transaction unless it says otherwise.
--
-- Returns one row an event, in no order: its outcome (stored, deleted, absent, superseded, duplicate,
-- conflict) and the session's ledger entry as the event found it; nulls when there was none.
--
-- A write of an erased player, up to the revision of the erasure, is a delete at its own revision, after every
-- other event of that revision, and its outcome is superseded. Its answer says that it found a delete at the erasure's
-- revision, unless it found something newer. A later write of that player which is stored gets the same answer.
--
-- This text is the same in every layout. Three functions that it calls once a batch differ between layouts:
-- advance_ledger, store_sessions and ledger_entries.

CREATE OR REPLACE FUNCTION apply_session_events(
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
    p_completed_ats      timestamptz[],
    p_updated_ats        timestamptz[] DEFAULT NULL  -- of an import: when a session was changed last; null: now
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE plpgsql
-- Plans are kept for the life of a connection, here and in what it calls. One made while the tables were small must not scan
-- them when they are large. Without the second setting a call of few events would plan each statement anew, which cost it more
-- than to run them.
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

    -- First the ledger: lock, compare, take over.
    SELECT * INTO won_ids, won_outcomes, replaced_revisions, replaced_event_ids, replaced_outcomes
      FROM advance_ledger(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, p_deletes);

    -- Then the table, in statements of their own: their snapshots are taken with the ledger's rows locked, so
    -- they see what every call before this one committed.
    IF won_ids IS NOT NULL THEN
        -- See adopt_inserted_sessions. Not a setting of the function: its owner, no superuser, may not give it one of ours.
        PERFORM set_config('session_store.applying', 'on', true);
        PERFORM store_sessions(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                               p_started_ats, p_completed_ats, p_updated_ats, won_ids);
        PERFORM set_config('session_store.applying', 'off', true);
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

-- It runs with its owner's rights: workers need none on the tables. On Citus it runs with its caller's, because Citus logs in
-- to the other nodes as whoever runs a statement, and the owner does not log in.
DO $rights$
BEGIN
    IF to_regclass('session_buckets') IS NULL THEN
        EXECUTE format('ALTER FUNCTION apply_session_events SECURITY DEFINER SET search_path = %I, pg_temp',
                       current_schema());
    END IF;
    REVOKE ALL ON FUNCTION apply_session_events FROM PUBLIC;
END
$rights$;
