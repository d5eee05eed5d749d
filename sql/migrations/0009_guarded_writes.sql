-- Walls of the database's own: a revision never goes down, whoever writes; and workers need no right to write to the
-- tables. They call what writes for them, with its owner's rights: so the order law is all that a worker can do to a
-- session, whatever it is made to ask for.

-- Called for a row whose revision goes down, and for no other: the triggers' conditions decide without a call.
CREATE OR REPLACE FUNCTION refuse_lower_revision() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('a revision never goes down: %s after %s', NEW.revision, OLD.revision),
        CONSTRAINT = 'revisions_only_rise', TABLE = TG_TABLE_NAME;
END
$function$;

-- The same for sessions, where it may go down to that of the ledger: the storage plugin knows no order, and the next
-- event of a session replaces what it wrote, at whatever revision that has.
CREATE OR REPLACE FUNCTION refuse_older_session() RETURNS trigger
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
CREATE OR REPLACE FUNCTION mark_erasure(p_player_id text, p_revision bigint)
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

-- Applies deletes and nothing else, as apply_session_events does: for those who remove what is old, and write no session.
CREATE OR REPLACE FUNCTION delete_sessions(
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
CREATE OR REPLACE FUNCTION remove_markers(p_session_ids text[], p_days integer) RETURNS SETOF text
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

DO $install$
DECLARE
    guard  record;
    writer text;
BEGIN
    -- In the order in which events take their locks.
    FOR guard IN
        SELECT * FROM (VALUES
            ('session_erasures', 'NEW.revision < OLD.revision', 'refuse_lower_revision'),
            ('session_ledger', '(NEW.revision, NEW.event_id) < (OLD.revision, OLD.event_id)', 'refuse_lower_revision'),
            ('sessions', 'NEW.revision < OLD.revision', 'refuse_older_session')) AS wanted (name, condition, refusal)
         WHERE NOT EXISTS (SELECT FROM pg_trigger
                            WHERE tgrelid = wanted.name::regclass AND tgname = 'revisions_only_rise')
    LOOP
        EXECUTE format('CREATE TRIGGER revisions_only_rise BEFORE UPDATE ON %I FOR EACH ROW WHEN (%s) EXECUTE FUNCTION %I()',
                       guard.name, guard.condition, guard.refusal);
    END LOOP;

    -- What runs with the owner's rights must not find a table of the caller's first.
    EXECUTE format('ALTER FUNCTION refuse_older_session() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION mark_erasure SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION delete_sessions SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION remove_markers SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION apply_session_events SECURITY DEFINER SET search_path = %I, pg_temp',
                   current_schema());

    -- A function is everybody's unless it is said otherwise. Who may write to the tables may call what does, so that
    -- no worker lacks a right between this and roles.sql, which takes the right to write away.
    REVOKE ALL ON FUNCTION apply_session_events, delete_sessions, mark_erasure, remove_markers FROM PUBLIC;
    FOR writer IN
        SELECT CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END
          FROM pg_class, aclexplode(relacl) AS held
         WHERE pg_class.oid = 'session_ledger'::regclass AND held.privilege_type = 'INSERT'
           AND held.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION apply_session_events, delete_sessions, mark_erasure, remove_markers TO %s',
                       writer);
    END LOOP;
END
$install$;

INSERT INTO session_store_migrations (version, name) VALUES (9, 'guarded_writes') ON CONFLICT DO NOTHING;
