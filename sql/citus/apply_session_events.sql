-- What applies events on Citus: `apply_session_events_of` those of one bucket, in one task on one node, and in the
-- place of the plain function `apply_session_events`, of the same arguments, which calls it for each bucket in turn.
--
-- They write with the rights of the caller: Citus logs in to the other nodes as whoever runs a statement, which an owner
-- that may not log in could not. The law and the answers are those of sql/migrations; what else differs: every statement names the
-- bucket, an insertion selects from `session_buckets`, and DO UPDATE uses no function.

CREATE OR REPLACE FUNCTION apply_session_events_of(
    p_bucket             integer,
    p_session_ids        text[],
    p_revisions          bigint[],
    p_event_ids          uuid[],
    p_expected_revisions bigint[],
    p_deletes            boolean[],
    p_player_ids         text[],
    p_encounters         text[],
    p_states             text[],
    p_extras             text[],
    p_started_ats        timestamptz[],
    p_completed_ats      timestamptz[]
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
    won                 record;
    known_ids           text[] := '{}';
    won_ids             text[] := '{}';
    won_outcomes        text[] := '{}';
    replaced_revisions  bigint[] := '{}';
    replaced_event_ids  uuid[] := '{}';
    replaced_outcomes   text[] := '{}';
    erasures            bigint[];  -- for each event the revision up to which its player is erased, or null
    after_all           CONSTANT uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
BEGIN
    IF EXISTS (SELECT FROM unnest(p_session_ids || p_player_ids) AS id WHERE length(id) > 255) THEN
        RAISE string_data_right_truncation USING MESSAGE = 'an id is longer than 255 characters';
    END IF;

    -- As in the plain function, an erasure waits for this lock; the table is the coordinator's own.
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

    -- An event that expects a revision never inserts. In the insertion itself the look-up would be a task for every shard;
    -- here it holds the entries, so that none goes meanwhile.
    IF 0 < ANY (p_expected_revisions) THEN
        FOR won IN
            SELECT session_id FROM session_ledger
             WHERE bucket = p_bucket
               AND session_id = ANY (ARRAY(
                   SELECT event.session_id FROM unnest(p_session_ids, p_expected_revisions)
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
               CASE WHEN event.is_delete THEN 'absent' ELSE 'stored' END,
               CASE WHEN event.is_delete THEN now() END,
               event.expected_revision
          FROM session_buckets AS here,
               unnest(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, p_deletes)
               AS event (session_id, revision, event_id, expected_revision, is_delete)
         WHERE here.bucket = p_bucket
           AND (coalesce(event.expected_revision, 0) = 0 OR event.session_id = ANY (known_ids))
         ORDER BY event.session_id COLLATE "C"
        ON CONFLICT (bucket, session_id) DO UPDATE
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
    LOOP
        won_ids := won_ids || won.session_id::text;
        won_outcomes := won_outcomes || won.outcome;
        replaced_revisions := replaced_revisions || won.replaced_revision;
        replaced_event_ids := replaced_event_ids || won.replaced_event_id;
        replaced_outcomes := replaced_outcomes || won.replaced_outcome;
    END LOOP;

    INSERT INTO sessions AS stored
                (bucket, session_id, player_id, encounter, state, extra, started_at, completed_at, revision,
                 created_at, updated_at)
    SELECT here.bucket, event.session_id, event.player_id, event.encounter::jsonb, event.state::jsonb,
           event.extra::jsonb, event.started_at, event.completed_at, event.revision, now(), now()
      FROM session_buckets AS here,
           unnest(p_session_ids, p_revisions, p_deletes, p_player_ids, p_encounters, p_states, p_extras,
                  p_started_ats, p_completed_ats)
           AS event (session_id, revision, is_delete, player_id, encounter, state, extra,
                     started_at, completed_at)
     WHERE here.bucket = p_bucket
       AND NOT event.is_delete
       AND event.session_id = ANY (won_ids)
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

    IF true = ANY (p_deletes) THEN
        DELETE FROM sessions
         WHERE bucket = p_bucket
           AND session_id = ANY (ARRAY(
               SELECT won.session_id FROM unnest(won_ids, won_outcomes) AS won (session_id, outcome)
                WHERE won.outcome <> 'stored'));
    END IF;

    IF cardinality(won_ids) < cardinality(p_session_ids) THEN
        FOR won IN
            SELECT event.session_id,
                   CASE WHEN (entry.revision, entry.event_id) = (event.revision, event.event_id) THEN 'duplicate'
                        WHEN (entry.revision, entry.event_id) > (event.revision, event.event_id) THEN 'superseded'
                        ELSE 'conflict' END AS outcome,
                   entry.revision, entry.event_id, entry.outcome AS found
              FROM unnest(p_session_ids, p_revisions, p_event_ids, p_expected_revisions)
                   AS event (session_id, revision, event_id, expected_revision)
              LEFT JOIN (SELECT * FROM session_ledger
                          WHERE bucket = p_bucket AND session_id = ANY (p_session_ids)) AS entry
                ON entry.session_id = event.session_id
               AND ((entry.revision, entry.event_id) >= (event.revision, event.event_id)
                    OR entry.revision <> event.expected_revision
                    OR entry.outcome <> 'stored')
             WHERE event.session_id <> ALL (won_ids)
        LOOP
            won_ids := won_ids || won.session_id;
            won_outcomes := won_outcomes || won.outcome;
            replaced_revisions := replaced_revisions || won.revision;
            replaced_event_ids := replaced_event_ids || won.event_id;
            replaced_outcomes := replaced_outcomes || won.found::text;
        END LOOP;
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

-- Of any sessions: right as the plain one is, and slow where a batch meets many buckets. In the order of buckets, so calls
-- that run at the same time never deadlock.
CREATE OR REPLACE FUNCTION apply_session_events(
    p_session_ids        text[],
    p_revisions          bigint[],
    p_event_ids          uuid[],
    p_expected_revisions bigint[],
    p_deletes            boolean[],
    p_player_ids         text[],
    p_encounters         text[],
    p_states             text[],
    p_extras             text[],
    p_started_ats        timestamptz[],
    p_completed_ats      timestamptz[]
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE plpgsql
AS $function$
#variable_conflict use_column
DECLARE
    share record;
BEGIN
    IF EXISTS (SELECT FROM unnest(p_session_ids) AS id GROUP BY id HAVING count(*) > 1) THEN
        RAISE cardinality_violation USING MESSAGE = 'a session is in the call more than once';
    END IF;
    FOR share IN
        SELECT session_bucket(event.session_id) AS bucket,
               array_agg(event.session_id) AS session_ids, array_agg(event.revision) AS revisions,
               array_agg(event.event_id) AS event_ids, array_agg(event.expected_revision) AS expected_revisions,
               array_agg(event.is_delete) AS deletes, array_agg(event.player_id) AS player_ids,
               array_agg(event.encounter) AS encounters, array_agg(event.state) AS states,
               array_agg(event.extra) AS extras, array_agg(event.started_at) AS started_ats,
               array_agg(event.completed_at) AS completed_ats
          FROM unnest(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, p_deletes, p_player_ids,
                      p_encounters, p_states, p_extras, p_started_ats, p_completed_ats)
               AS event (session_id, revision, event_id, expected_revision, is_delete, player_id,
                         encounter, state, extra, started_at, completed_at)
         GROUP BY session_bucket(event.session_id)
         ORDER BY session_bucket(event.session_id)
    LOOP
        RETURN QUERY
        SELECT * FROM apply_session_events_of(
            share.bucket, share.session_ids, share.revisions, share.event_ids, share.expected_revisions,
            share.deletes, share.player_ids, share.encounters, share.states, share.extras,
            share.started_ats, share.completed_ats);
    END LOOP;
END
$function$;
