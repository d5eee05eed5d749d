#!/bin/sh
# Installs the session store for systemd: a virtual environment under /opt/session-store, the unit, and empty
# credentials to fill in. May run again, which upgrades the program and keeps what was configured.
#
#   sudo deploy/systemd/install.sh [--wheel FILE] [--root DIRECTORY] [--traces] [--dry-run]
#
# --wheel    install this wheel in place of the checkout that the script lies in
# --root     install below a directory, as packagers do; nothing of this machine is touched
# --traces   install what exports traces too
# --dry-run  print what would be done
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
root='' wheel='' run='' lock=requirements.lock
while [ $# -gt 0 ]; do
    case $1 in
        --root) root=$2; shift 2 ;;
        --wheel) wheel=$2; shift 2 ;;
        --traces) lock=requirements-traces.lock; shift ;;
        --dry-run) run=echo; shift ;;
        *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done
[ -n "$root" ] || [ -n "$run" ] || [ "$(id -u)" = 0 ] || { echo 'run it as root, or with --root' >&2; exit 1; }

program=$root/opt/session-store
settings=$root/etc/session-store
units=$root/etc/systemd/system

$run install -d -m 755 "$program" "$settings" "$units"
$run install -d -m 700 "$settings/credentials"
[ -x "$program/venv/bin/python" ] || $run python3 -m venv "$program/venv"
$run "$program/venv/bin/pip" install --quiet --require-hashes -r "$project/$lock"
$run "$program/venv/bin/pip" install --quiet --no-deps --force-reinstall "${wheel:-$project}"
for page in operations partitioning; do
    $run install -D -m 644 "$project/docs/$page.md" "$program/docs/$page.md"
done
for unit in "$here"/session-store*.service "$here"/session-store*.timer; do
    $run install -m 644 "$unit" "$units/"
done
for name in DATABASE_URL AMQP_URL JANITOR_DATABASE_URL OWNER_DATABASE_URL; do
    [ -e "$settings/credentials/$name" ] || $run install -m 600 /dev/null "$settings/credentials/$name"
done
for name in environment retain partition; do
    [ -e "$settings/$name" ] || $run install -m 644 /dev/null "$settings/$name"
done
[ -n "$root" ] || $run systemctl daemon-reload

cat <<EOF
Installed. Now, in the checkout ($project),

1. make a password for each login:
       cd $project && $program/venv/bin/python -m deploy.logins $settings/passwords
2. prepare PostgreSQL, first as a superuser, then as session_store_migrator, then as the superuser again:
       DATABASE_URL=... $program/venv/bin/session-store roles --passwords $settings/passwords/postgres
       DATABASE_URL=... $program/venv/bin/session-store migrate
       DATABASE_URL=... $program/venv/bin/session-store roles --passwords $settings/passwords/postgres
3. prepare RabbitMQ, on its host:
       $program/venv/bin/python -m deploy.rabbitmq.users $settings/passwords/rabbitmq | rabbitmqctl import_definitions
       rabbitmqctl import_definitions deploy/rabbitmq/installation.json
4. write the URLs of session_store_worker, and of nobody who may do more, into $settings/credentials:
       DATABASE_URL  postgresql://session_store_worker:...@HOST:5432/sessions?sslmode=verify-full&sslrootcert=FILE
       AMQP_URL      amqps://session_store_worker:...@HOST:5671/session-store
   and where it removes what is old or makes partitions, the janitor's and the migrator's:
       JANITOR_DATABASE_URL, OWNER_DATABASE_URL
5. see that nothing is wrong, and nothing open that should not be:
       SESSION_STORE_SECRETS_DIR=$settings/credentials $program/venv/bin/session-store doctor --security
6. start replicas, and look at them:
       systemctl enable --now session-store@1 session-store@2 session-store@3
       systemctl status 'session-store@*'
EOF
