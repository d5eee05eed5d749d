"""The permissions and limits of each user at the broker, from which `deploy/rabbitmq` writes definitions.

Engines and workers share a virtual host. Callers, who send requests alone, have another one, where `sessions`
is bound for requests alone. The virtual host separates them, not the routing keys: RabbitMQ 3.10 compares topic
permissions with a message's routing key, and routes the message by its headers CC and BCC all the same.
"""

import re
from dataclasses import dataclass
from typing import Final

from .topology import (
    CHANGES_QUEUE_PREFIX,
    DELETE_KEY,
    ERASE_KEY,
    REPLY_QUEUE_PREFIX,
    RPC_KEY,
    WRITE_KEY,
    Topology,
)

EVENTS_VHOST: Final = "session-store"
RPC_VHOST: Final = "session-store-rpc"

ENGINE: Final = "session_store_engine"
WORKER: Final = "session_store_worker"
CALLER: Final = "session_store_caller"
ADMIN: Final = "session_store_admin"
MONITOR: Final = "session_store_monitor"

DEFAULT_EXCHANGE: Final = "amq.default"  # as RabbitMQ's permissions call it
NOTHING: Final = "^$"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Regular expressions of the names that a user may configure, write to and read from in a virtual host."""

    configure: str = NOTHING
    write: str = NOTHING
    read: str = NOTHING


@dataclass(frozen=True, slots=True)
class User:
    """A user of the broker: its management tags, and the most connections and channels of all its programs."""

    name: str
    tags: tuple[str, ...]
    max_connections: int
    max_channels: int


USERS: Final = (
    User(ENGINE, (), 200, 1000),
    User(WORKER, (), 100, 1000),
    User(CALLER, (), 200, 1000),
    User(ADMIN, (), 10, 50),
    User(MONITOR, ("monitoring",), 10, 50),
)


def permissions_in(vhost: str, topology: Topology) -> dict[str, Permissions]:
    """Return the permissions of each user that may enter one of the two virtual hosts.

    An engine publishes, reads its replies, and reads the changes feed from queues of its own. A caller sends
    requests and reads its replies. A worker declares nothing: `session-store topology` does that as the admin, who
    may not enter a virtual host where `sessions` must not lead to events. A monitor only asks for the number of
    messages, for which RabbitMQ 4.3 wants some permission for the queue. Permission to write to a queue is the least:
    it allows nothing without permission to read from an exchange, and messages are written to exchanges.
    """
    both = {WORKER: _worker(topology), MONITOR: Permissions(write=_is_one_of(*_queues(topology)))}
    if vhost == RPC_VHOST:
        return {CALLER: _caller(topology), **both}
    return {ENGINE: _engine(topology), ADMIN: _admin(topology), **both}


def routing_keys_of(user: str) -> str | None:
    """Return the pattern of the routing keys that a user may publish to `sessions`; None where all are allowed."""
    keys = {ENGINE: (WRITE_KEY, DELETE_KEY, ERASE_KEY, RPC_KEY), CALLER: (RPC_KEY,)}
    return _is_one_of(*keys[user]) if user in keys else None


def _caller(topology: Topology) -> Permissions:
    answers = _begins_with(*dict.fromkeys((REPLY_QUEUE_PREFIX, topology.prefix + REPLY_QUEUE_PREFIX)))
    return Permissions(answers, _is_one_of(topology.sessions.name), answers)


def _engine(topology: Topology) -> Permissions:
    answers, changes = (
        dict.fromkeys((name, topology.prefix + name)) for name in (REPLY_QUEUE_PREFIX, CHANGES_QUEUE_PREFIX)
    )
    own = _begins_with(*answers, *changes)
    return Permissions(
        configure=own,
        write=_either(
            _is_one_of(topology.sessions.name), _begins_with(*changes)
        ),  # to bind takes both rights
        read=_either(own, _is_one_of(topology.changes.name)),
    )


def _admin(topology: Topology) -> Permissions:
    passing = (each.name for each in topology.upgrade_queues)
    names = _is_one_of(*(each.name for each in topology.declared), *passing)
    return Permissions(names, names, names)


def _worker(topology: Topology) -> Permissions:
    """Return permissions with some for each queue that a worker asks about, as RabbitMQ 4.3 demands.

    There is none for `sessions`: to read from it would be enough to bind it to `sessions.dead`.
    """
    return Permissions(
        write=_is_one_of(DEFAULT_EXCHANGE, topology.dead.name, topology.changes.name),
        read=_is_one_of(*_queues(topology), topology.former_dead_queue.name),
    )


def _queues(topology: Topology) -> list[str]:
    return [queue.name for queue in topology.queues]


def _is_one_of(*names: str) -> str:
    return f"^({'|'.join(map(_literal, names))})$"


def _begins_with(*beginnings: str) -> str:
    return f"^({'|'.join(map(_literal, beginnings))})"


def _either(*patterns: str) -> str:
    return "|".join(patterns)


def _literal(name: str) -> str:
    """Return a pattern of the name itself; with brackets, because a backslash has a meaning in JSON and in shells."""
    return re.sub(r"[.]", "[.]", name)
