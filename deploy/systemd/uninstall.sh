#!/bin/sh
# Removes what install.sh installed; the settings and credentials stay unless --purge is given.
#
#   sudo deploy/systemd/uninstall.sh [--purge] [--root DIRECTORY] [--dry-run]
set -eu

root='' run='' purge=''
while [ $# -gt 0 ]; do
    case $1 in
        --root) root=$2; shift 2 ;;
        --purge) purge=yes; shift ;;
        --dry-run) run=echo; shift ;;
        *) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done
[ -n "$root" ] || [ -n "$run" ] || [ "$(id -u)" = 0 ] || { echo 'run it as root, or with --root' >&2; exit 1; }

if [ -z "$root" ]; then
    $run systemctl disable --now 'session-store@*.service' 'session-store-*.timer' || true # none may run
fi
for unit in session-store@.service session-store-retain.service session-store-retain.timer \
    session-store-partition.service session-store-partition.timer; do
    $run rm -f "$root/etc/systemd/system/$unit"
done
$run rm -rf "$root/opt/session-store"
[ -z "$purge" ] || $run rm -rf "$root/etc/session-store"
[ -n "$root" ] || $run systemctl daemon-reload
