#!/bin/bash
# What the official image of PostgreSQL does at its start, as far as the stack needs it.
set -eu
export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PGDATA=${PGDATA:-/var/lib/postgresql/data}
if [ "$(id -u)" = 0 ]; then
    [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || export POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres "$PGDATA" /var/run/postgresql
    chmod 700 "$PGDATA"
    exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    user=${POSTGRES_USER:-postgres}
    initdb --username "$user" --pwfile <(echo "$POSTGRES_PASSWORD") --auth-host scram-sha-256 --encoding UTF8 > /dev/null
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
    pg_ctl --options "-c listen_addresses=''" --wait start > /dev/null
    [ -z "${POSTGRES_DB:-}" ] || createdb --username "$user" "$POSTGRES_DB"
    pg_ctl --mode fast --wait stop > /dev/null
fi
unset POSTGRES_PASSWORD
exec postgres -c 'listen_addresses=*'
