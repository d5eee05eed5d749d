-- The view and the function of the plugin that this program replaces, with the same columns. One that
-- has other columns cannot be replaced in place, so it is dropped first.

DO $adopt$
DECLARE
    other regprocedure;
BEGIN
    IF (SELECT string_agg(format('%s %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
          FROM pg_attribute
         WHERE attrelid = to_regclass(format('%I.active_sessions', current_schema())) AND attnum > 0)
       <> 'session_id character varying(255), player_id character varying(255), encounter jsonb, state jsonb, '
          'started_at timestamp with time zone, duration_seconds numeric' THEN
        DROP VIEW active_sessions;
    END IF;

    FOR other IN
        SELECT oid FROM pg_proc
         WHERE pronamespace = current_schema()::regnamespace AND proname = 'get_session_stats'
           AND (pg_get_function_arguments(oid), pg_get_function_result(oid)) <>
               ('p_player_id character varying DEFAULT NULL::character varying',
                'TABLE(total_sessions bigint, completed_sessions bigint, active_sessions bigint, '
                'avg_completion_time_seconds numeric)')
    LOOP
        EXECUTE format('DROP FUNCTION %s', other);
    END LOOP;
END
$adopt$;

CREATE OR REPLACE VIEW active_sessions AS
SELECT session_id, player_id, encounter, state, started_at,
       extract(epoch FROM now() - started_at)::numeric AS duration_seconds
  FROM sessions
 WHERE completed_at IS NULL
 ORDER BY started_at DESC;

-- The average is null when no session is complete.
CREATE OR REPLACE FUNCTION get_session_stats(p_player_id varchar DEFAULT NULL)
RETURNS TABLE (
    total_sessions bigint,
    completed_sessions bigint,
    active_sessions bigint,
    avg_completion_time_seconds numeric
)
LANGUAGE sql STABLE
AS $function$
    SELECT count(*), count(completed_at), count(*) - count(completed_at),
           avg(extract(epoch FROM completed_at - started_at))::numeric
      FROM sessions
     WHERE p_player_id IS NULL OR player_id = p_player_id
$function$;

INSERT INTO session_store_migrations (version, name) VALUES (4, 'active_sessions') ON CONFLICT DO NOTHING;
