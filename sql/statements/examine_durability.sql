-- The settings that let a commit be lost, and where each is set.
SELECT name, source
  FROM pg_settings
 WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
   AND setting = 'off'
 ORDER BY name
