-- Puts sessions_by_date in the place of `sessions`, once every session is copied and both were compared. It gets the
-- triggers, grants, views and comment of the plain table, which is then dropped. It is one transaction, waits for
-- running reads and writes of sessions, and makes new ones wait. So set a short lock_timeout; it may be tried again.

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
        -- A row that moves to another partition is a delete and an insert to its triggers, but its statement is an
        -- update. So the change of the totals is noted before it.
        EXECUTE CASE WHEN definition ~ 'EXECUTE FUNCTION (\S+\.)?note_session_change\('
                     THEN replace(definition, ' AFTER ', ' BEFORE ') ELSE definition END;
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

\ir ../functions/partitioned/store_sessions.sql
\ir ../functions/partitioned/stored_sessions.sql
\ir ../functions/partitioned/note_session_place.sql

DO $finish$
DECLARE
    owner CONSTANT text := (SELECT relowner::regrole FROM pg_class WHERE oid = 'sessions'::regclass);
BEGIN
    EXECUTE format('ALTER FUNCTION store_sessions OWNER TO %s', owner);
    EXECUTE format('ALTER FUNCTION stored_sessions OWNER TO %s', owner);
    EXECUTE format('ALTER FUNCTION note_session_place OWNER TO %s', owner);
    CREATE TRIGGER session_place BEFORE UPDATE ON sessions FOR EACH ROW
        WHEN (OLD.started_at <> NEW.started_at) EXECUTE FUNCTION note_session_place();
END
$finish$;
