-- session_seconds: the duration of a session in seconds; null when it is not complete, 0 when one of its times is
-- infinite.

CREATE OR REPLACE FUNCTION session_seconds(p_started_at timestamptz, p_completed_at timestamptz) RETURNS numeric
LANGUAGE sql IMMUTABLE
AS $function$
    SELECT CASE WHEN isfinite(p_started_at) AND isfinite(p_completed_at)
                THEN extract(epoch FROM p_completed_at - p_started_at)::numeric
                WHEN p_completed_at IS NOT NULL THEN 0 END
$function$;
