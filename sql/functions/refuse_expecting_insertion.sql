-- refuse_expecting_insertion: a trigger for a new ledger entry of an event that expects a revision. advance_ledger
-- found an entry, and delete_tombstones has deleted it since. The caller applies the event again, and then finds no
-- entry.

CREATE OR REPLACE FUNCTION refuse_expecting_insertion() RETURNS trigger
LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE serialization_failure USING
        MESSAGE = format('the entry of the session that expects revision %s has just gone', NEW.expected_revision);
END
$function$;
