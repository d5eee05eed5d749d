-- The settings that allow a commit to be lost, and the origin of each.
SELECT name, source
  FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
   AND setting = 'off'
 ORDER BY name
