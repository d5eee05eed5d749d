-- The kind of server, its encoding, the state of a new transaction of this role, and the quoted names of role and
-- database.
SELECT current_setting('server_version') AS version,
       current_setting('server_version_num')::integer AS number,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS is_standby,
       setting.reset_val = 'on' AS is_read_only,
       setting.source AS source,
       quote_ident(current_user) AS role,
       quote_ident(current_database()) AS database,
       clock_timestamp() AS clock
  FROM pg_settings AS setting
 WHERE setting.name = 'default_transaction_read_only'
