-- Puts sessions_by_date in the place of `sessions`, once every session is copied and the two were compared: with the triggers,
-- grants, views and comment of the plain table, which is gone afterwards. One transaction; it waits for what reads and writes
-- sessions, and everybody waits for it, so a short lock_timeout is wise: it may be tried again.

LOCK TABLE session_erasures IN EXCLUSIVE MODE;
LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE;

DO $swap$
DECLARE
    plain    CONSTANT regclass := 'sessions';
    triggers CONSTANT text[] := ARRAY(SELECT pg_get_triggerdef(oid) FROM pg_trigger
                                       WHERE tgrelid = plain AND NOT tgisinternal
                                         AND tgfoid <> 'mirror_changes'::regproc ORDER BY tgname);
    disabled CONSTANT text[] := ARRAY(SELECT tgname FROM pg_trigger
                                       WHERE tgrelid = plain AND NOT tgisinternal AND tgenabled = 'D');
    views    CONSTANT text[] := ARRAY(
        SELECT format('CREATE OR REPLACE VIEW %s %s AS %s', pg_class.oid::regclass,
                      'WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(pg_class.oid))
          FROM pg_class
         WHERE relkind = 'v'
           AND oid IN (SELECT ev_class FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid WHERE refobjid = plain));
    remark   CONSTANT text := obj_description(plain, 'pg_class');
    definition text;
    index      record;
BEGIN
    -- A row that moves to another partition is a delete and an insert to its triggers, but its statement is an update: so
    -- what an update changes is noted before it.
    EXECUTE replace(replace(pg_get_functiondef('note_session_change'::regproc),
                            'note_session_change', 'note_coming_session_change'), 'RETURN NULL', 'RETURN NEW');
    EXECUTE format('ALTER FUNCTION note_coming_session_change OWNER TO %s',
                   (SELECT proowner::regrole FROM pg_proc WHERE oid = 'note_session_change'::regproc));

    ALTER TABLE sessions RENAME TO sessions_whole;
    ALTER TABLE sessions_by_date RENAME TO sessions;
    FOREACH definition IN ARRAY views LOOP
        EXECUTE definition;
    END LOOP;
    DROP TABLE sessions_whole;
    ALTER INDEX sessions_by_date_pkey RENAME TO sessions_pkey;
    FOR index IN
        SELECT oid::regclass AS name, relname FROM pg_class JOIN pg_index ON indexrelid = oid
         WHERE indrelid = to_regclass('sessions') AND relname LIKE 'by\_date\_%'
    LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', index.name, substr(index.relname, length('by_date_') + 1));
    END LOOP;
    FOREACH definition IN ARRAY triggers LOOP
        EXECUTE CASE WHEN definition ~ 'EXECUTE FUNCTION (\S+\.)?note_session_change\('
                     THEN replace(replace(definition, ' AFTER ', ' BEFORE '),
                                  'note_session_change', 'note_coming_session_change')
                     ELSE definition END;
    END LOOP;
    FOREACH definition IN ARRAY disabled LOOP
        EXECUTE format('ALTER TABLE sessions DISABLE TRIGGER %I', definition);
    END LOOP;
    IF remark IS NOT NULL THEN
        EXECUTE format('COMMENT ON TABLE sessions IS %L', remark);
    END IF;
    DROP FUNCTION mirror_changes, mirror_sessions, copy_sessions;
END
$swap$;

\ir functions.sql

DO $finish$
DECLARE
    owner CONSTANT text := (SELECT relowner::regrole FROM pg_class WHERE oid = 'sessions'::regclass);
BEGIN
    -- What runs with the owner's rights must not find a table of the caller's first.
    EXECUTE format('ALTER FUNCTION note_session_place() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION note_session_place OWNER TO %s', owner);
    EXECUTE format('ALTER FUNCTION store_sessions OWNER TO %s', owner);
    EXECUTE format('ALTER FUNCTION stored_sessions OWNER TO %s', owner);
    CREATE TRIGGER session_place BEFORE UPDATE ON sessions FOR EACH ROW
        WHEN (OLD.started_at <> NEW.started_at) EXECUTE FUNCTION note_session_place();
END
$finish$;
