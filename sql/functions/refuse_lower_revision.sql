-- refuse_lower_revision: a trigger for a row whose revision decreases. The condition of the trigger compares, so
-- other rows cost no call.

CREATE OR REPLACE FUNCTION refuse_lower_revision() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE check_violation USING
        MESSAGE = format('a revision never goes down: %s after %s', NEW.revision, OLD.revision),
        CONSTRAINT = 'revisions_only_rise', TABLE = TG_TABLE_NAME;
END
$function$;
