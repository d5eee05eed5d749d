-- session_bucket: the bucket of a session by its id. A worker computes it too (`worker/store/buckets.py`).

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NOT NULL THEN

CREATE OR REPLACE FUNCTION session_bucket(p_session_id text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $function$
    SELECT get_byte(sha256(convert_to(p_session_id, 'UTF8')), 0) % 32
$function$;

END IF; END $layout$;
