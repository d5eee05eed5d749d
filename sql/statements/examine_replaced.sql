-- The objects of the storage plugin that the migrations replaced by others of the same name, with their earlier
-- definitions.
SELECT object.name, object.definition
  FROM session_store_migrations AS migration, jsonb_each_text(nullif(to_jsonb(migration) -> 'replaced', 'null'))
       AS object (name, definition)
 ORDER BY object.name;
