-- event_wins: whether an event replaces a session's ledger entry. This is the order law: the event is greater by
-- (revision, event_id), and expects no revision or the present one. A deleted session is at revision 0. The planner
-- inlines the body, so a call costs nothing.

CREATE OR REPLACE FUNCTION event_wins(
    p_entry_revision    bigint,
    p_entry_event_id    uuid,
    p_entry_outcome     text,
    p_revision          bigint,
    p_event_id          uuid,
    p_expected_revision bigint
) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT (p_entry_revision, p_entry_event_id) < (p_revision, p_event_id)
       AND (p_expected_revision IS NULL
            OR p_expected_revision = CASE WHEN p_entry_outcome = 'stored' THEN p_entry_revision ELSE 0 END)
$function$;
