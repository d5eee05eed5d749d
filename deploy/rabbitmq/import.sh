#!/bin/sh
# import.sh [FILE]: import definitions into this host's RabbitMQ, from a file or from standard input.
#
# `rabbitmqctl import_definitions` gets a file, because that of RabbitMQ 4.0.0 to 4.0.5 never reads its standard input
# and waits for ever. As root, Debian's runs as the user rabbitmq, in another directory: the file is that user's.
set -eu

case ${1:-} in
-?*)
    echo "usage: $0 [FILE]    # without a file, definitions come from standard input" >&2
    exit 2
    ;;
esac

umask 077
file=$(mktemp)
trap 'rm -f "$file"' EXIT
cat -- "${1:--}" > "$file"
if [ "$(id -u)" = 0 ] && id -u rabbitmq > /dev/null 2>&1; then
    chown rabbitmq "$file"
fi
rabbitmqctl import_definitions "$file"
