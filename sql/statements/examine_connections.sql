-- The limit of this role's connections, the number of open ones, and the number of workers' connections among them.
SELECT least(
           current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer,
           (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
           (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
       ) AS maximum,
       (SELECT count(*) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND application_name NOT LIKE 'session-store %') AS others
