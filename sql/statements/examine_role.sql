-- The properties of this role beyond a login: its attributes, its memberships, the number of objects that it owns
-- here. Also the time limits that its sessions do not begin with.
SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls AS is_privileged,
       rolname::text AS role,
       ARRAY(SELECT granted.rolname::text
               FROM pg_auth_members AS held
               JOIN pg_roles AS granted ON granted.oid = held.roleid
              WHERE held.member = role.oid
              ORDER BY 1) AS member_of,
       (SELECT count(*) FROM pg_class WHERE relowner = role.oid)
       + (SELECT count(*) FROM pg_proc WHERE proowner = role.oid) AS owned,
       ARRAY(SELECT limited
               FROM unnest(ARRAY['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout']) AS limited
              WHERE NOT EXISTS (SELECT
                                  FROM pg_db_role_setting AS given, unnest(given.setconfig) AS line
                                 WHERE given.setrole = role.oid
                                   AND line LIKE limited || '=%'
                                   AND line !~ '=0[a-z]*$')) AS unlimited
  FROM pg_roles AS role
 WHERE rolname = current_user
