-- event_outcome: what an event that wins does to a session whose entry had this outcome; null when there was no entry.
-- The planner puts the body in the place of a call, so a call costs nothing.

CREATE OR REPLACE FUNCTION event_outcome(p_is_delete boolean, p_replaced_outcome text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT CASE WHEN NOT p_is_delete THEN 'stored' WHEN p_replaced_outcome = 'stored' THEN 'deleted' ELSE 'absent' END
$function$;
