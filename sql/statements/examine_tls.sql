-- Whether and how this connection is encrypted, and whether it leaves this host.
SELECT ssl AS is_encrypted, version,
       coalesce(inet_server_addr() <<= '127.0.0.0/8' OR inet_server_addr() = '::1', true) AS is_local
  FROM pg_stat_ssl
 WHERE pid = pg_backend_pid()
