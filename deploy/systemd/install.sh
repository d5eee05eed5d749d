#!/bin/sh
# Installs the session store for systemd: a virtual environment under /opt/session-store, the unit, and empty
# credentials to fill in. May run again, which upgrades the program and keeps what was configured.
#
#   sudo deploy/systemd/install.sh [--wheel FILE] [--root DIRECTORY] [--traces] [--parquet] [--dry-run]
#
# --wheel    install this wheel in place of the checkout that the script lies in
# --root     install below a directory, as packagers do; nothing of this machine is touched
# --traces   install what exports traces too
# --parquet  install what writes Parquet too, for exports and archives
# --dry-run  print what would be done
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
root='' wheel='' run='' locks=requirements.lock
while [ $# -gt 0 ]; do
    case $1 in
        --root) root=$2; shift 2 ;;
        --wheel) wheel=$2; shift 2 ;;
        --traces) locks="$locks requirements-traces.lock"; shift ;;
        --parquet) locks="$locks requirements-parquet.lock"; shift ;;
        --dry-run) run=echo; shift ;;
        *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done
[ -n "$root" ] || [ -n "$run" ] || [ "$(id -u)" = 0 ] || { echo 'run it as root, or with --root' >&2; exit 1; }

umask 022 # what units run is read by users of no group of ours
program=$root/opt/session-store
settings=$root/etc/session-store
units=$root/etc/systemd/system

$run install -d -m 755 "$program" "$settings" "$units"
$run install -d -m 700 "$settings/credentials"
python3 -c 'import ensurepip' 2> /dev/null || { echo 'python3 has no venv: sudo apt-get install python3-venv' >&2; exit 1; }
[ -x "$program/venv/bin/python" ] || $run python3 -m venv "$program/venv"
for lock in $locks; do
    $run "$program/venv/bin/pip" install --quiet --require-hashes -r "$project/$lock"
done
$run "$program/venv/bin/pip" install --quiet --no-deps --force-reinstall "${wheel:-$project}"
for page in data install-systemd partitioning runbook; do
    $run install -D -m 644 "$project/docs/$page.md" "$program/docs/$page.md"
done
for unit in "$here"/session-store*.service "$here"/session-store*.timer; do
    $run install -m 644 "$unit" "$units/"
done
$run install -D -m 755 "$here/session-store" "$root/usr/local/bin/session-store"
for name in DATABASE_URL AMQP_URL JANITOR_DATABASE_URL OWNER_DATABASE_URL; do
    [ -e "$settings/credentials/$name" ] || $run install -m 600 /dev/null "$settings/credentials/$name"
done
for name in environment retain partition; do
    [ -e "$settings/$name" ] || $run install -m 644 /dev/null "$settings/$name"
done
[ -n "$root" ] || $run systemctl daemon-reload

# The page has the steps once, for its readers and for whoever has just installed.
echo 'Installed. What is left, from docs/install-systemd.md:'
sed -n '/^## Prepare the servers, and start/,/^## /{/^## /!p}' "$project/docs/install-systemd.md"
