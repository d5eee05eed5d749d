#!/bin/sh
# Drains and stops the replicas and the timers, disables them, and removes what install.sh installed, with drop-ins and
# the timers' stamps. The settings and credentials stay unless --purge is given; /var/lib/session-store always stays.
#
#   sudo deploy/systemd/uninstall.sh [--purge] [--root DIRECTORY] [--dry-run]
#
# --purge    remove /etc/session-store too
# --root     remove below a directory, as packagers do; nothing of this machine is touched
# --dry-run  print what would be done
#
# Nothing is removed before every unit has stopped. Where one does not stop, it says so and exits with 1.
set -eu

root='' run='' purge=''
while [ $# -gt 0 ]; do
    case $1 in
        --root) root=$2; shift 2 ;;
        --purge) purge=yes; shift ;;
        --dry-run) run=echo; shift ;;
        *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
    esac
done
[ -n "$root" ] || [ -n "$run" ] || [ "$(id -u)" = 0 ] || { echo 'run it as root, or with --root' >&2; exit 1; }
units=$root/etc/systemd/system

fail() {
    echo "$1; nothing was removed" >&2
    exit 1
}

# Prints the loaded units of ours, one a line; more words of `list-units` choose among them.
loaded() {
    systemctl list-units --plain --no-legend --full "$@" 'session-store@*' 'session-store-retain.*' 'session-store-partition.*'
}

# Prints the units of ours that start at boot: `list-unit-files` names no instance of a template, the links do.
linked() {
    [ ! -d "$units" ] || find "$units" -path '*.wants/session-store*' -printf '%f\n'
}

if [ -z "$root" ]; then
    present=$(loaded --all) || fail 'systemctl does not say which units there are'
    # `systemctl disable` takes no globs, so every unit is named. Timers stop first: none may start its service again.
    names=$({ echo "$present" | sed 's/ .*//'; linked; } | sort -u)
    for unit in $(echo "$names" | grep '\.timer$') $(echo "$names" | grep '\.service$'); do
        $run systemctl stop "$unit" || fail "$unit does not stop"
    done
    for unit in $(linked | sort -u); do
        $run systemctl disable --quiet "$unit" || fail "$unit cannot be disabled"
    done
    [ -n "$run" ] || left=$(loaded --state=active,activating,reloading,deactivating) || fail 'systemctl does not answer'
    [ -z "${left:-}" ] || fail "still running: $left"
else
    [ ! -d "$units" ] || find "$units" -path '*.wants/session-store*' -type l -exec $run rm -f {} +
fi

for unit in session-store@ session-store-retain session-store-partition; do
    $run rm -rf "$units/$unit.service" "$units/$unit.timer" "$units/$unit.service.d" "$units/$unit.timer.d"
    $run rm -f "$root/var/lib/systemd/timers/stamp-$unit.timer"
done
for number in 1 2 3 4 5 6 7 8 9; do
    $run rm -rf "$units/session-store@$number.service.d"
done
$run rm -f "$root/usr/local/bin/session-store"
$run rm -rf "$root/opt/session-store"
[ -z "$purge" ] || $run rm -rf "$root/etc/session-store"
if [ -z "$root" ]; then
    $run systemctl daemon-reload
    $run systemctl reset-failed 'session-store@*' 'session-store-retain.*' 'session-store-partition.*'
fi
for kept in "$root/etc/session-store" "$root/var/lib/session-store"; do
    [ ! -e "$kept" ] || echo "kept: $kept"
done
