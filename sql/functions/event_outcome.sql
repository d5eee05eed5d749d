-- event_outcome: the outcome of an event that wins, by the outcome in the session's ledger entry; null when there was
-- no entry. The planner inlines the body, so a call costs nothing.

CREATE OR REPLACE FUNCTION event_outcome(p_is_delete boolean, p_replaced_outcome text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT CASE WHEN NOT p_is_delete THEN 'stored' WHEN p_replaced_outcome = 'stored' THEN 'deleted' ELSE 'absent' END
$function$;
