#!/bin/bash
# What the official image of RabbitMQ does at its start, as far as the stack needs it.
set -eu
chown rabbitmq: /var/lib/rabbitmq
exec setpriv --reuid rabbitmq --regid rabbitmq --init-groups env HOME=/var/lib/rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server
