-- What the server is, and what a new transaction of this role may do there.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::integer AS number,
       pg_is_in_recovery() AS is_standby,
       setting.reset_val = 'on' AS is_read_only,
       setting.source AS source,
       clock_timestamp() AS clock
  FROM pg_settings AS setting
 WHERE setting.name = 'default_transaction_read_only'
