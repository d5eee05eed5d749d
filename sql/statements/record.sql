-- The JSON of a Record. Other SQL may store times that no answer can represent: those become the nearest possible
-- time.
       session_id,
       convert_to(concat(  -- copies each part once
           '{"session":{"sessionId":', to_json(session_id), ',"playerId":', to_json(player_id),
           ',"encounter":', encounter, ',"state":', state, ',"startedAt":"', replace(to_char(least(greatest(
               started_at, '0001-01-01Z'), '9999-12-31 23:59:59.999999Z') AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z', 'Z'),
           CASE WHEN completed_at IS NOT NULL THEN concat('","completedAt":"', replace(to_char(least(greatest(
               completed_at, '0001-01-01Z'), '9999-12-31 23:59:59.999999Z') AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z', 'Z')) END,
           CASE WHEN completed_at IS NULL AND extra <> '{}' THEN concat('",', substr(extra::text, 2))
                WHEN extra - 'completedAt' <> '{}' THEN concat('",', substr((extra - 'completedAt')::text, 2))
                ELSE '"}' END,
           ',"revision":', revision, ',"createdAt":"', replace(to_char(least(greatest(
               coalesce(created_at, started_at), '0001-01-01Z'), '9999-12-31 23:59:59.999999Z') AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z', 'Z'),
           '","updatedAt":"', replace(to_char(least(greatest(
               coalesce(updated_at, created_at, started_at), '0001-01-01Z'), '9999-12-31 23:59:59.999999Z') AT TIME ZONE 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '000Z', 'Z'), '"}'), 'UTF8') AS record
