"""The only place where a queue, an exchange, a routing key or a header is spelled (CONTRACT: Topology).

`python -m contracts.generate` writes the same constants for TypeScript.
"""

from dataclasses import dataclass, replace
from typing import Final

SESSIONS_EXCHANGE: Final = "sessions"
DEAD_EXCHANGE: Final = "sessions.dead"
CHANGES_EXCHANGE: Final = "sessions.changes"

WRITE_KEY: Final = "session.write"
DELETE_KEY: Final = "session.delete"
ERASE_KEY: Final = "player.erase"
RPC_KEY: Final = "session.rpc"
STORED_KEY: Final = "session.stored"
DELETED_KEY: Final = "session.deleted"
DEAD_QUEUE: Final = "session.dead.letters"
FORMER_DEAD_QUEUE: Final = "session.dead"
PROBE_QUEUE: Final = "session.dead.probe"
REPLY_KEY: Final = "session.reply"
"""Of no binding: it stands for the address in the signature of a reply."""

DIRECT_REPLY: Final = "amq.rabbitmq.reply-to"
REPLY_QUEUE_PREFIX: Final = "session.reply."
CHANGES_QUEUE_PREFIX: Final = "session.changes."
"""Queues of callers and of subscribers begin so, or with an installation's prefix and it."""

SIGNATURE_HEADER: Final = "x-signature"
DEADLINE_HEADER: Final = "deadline"
"""Milliseconds since the epoch, after which a request is worth nothing."""

EVENT_CONTENT_TYPE: Final = "application/cloudevents+json"
RPC_CONTENT_TYPE: Final = "application/json"

DELIVERY_LIMIT: Final = 20
NEVER_REACHED: Final = 1_000_000_000
"""The delivery limit of a queue that keeps a message however often it is delivered and returned.

It is explicit because RabbitMQ 4 gives a quorum queue without one a limit of 20. It is a number because -1, no limit
on RabbitMQ 4, is on 3.10 a limit that the first return exceeds.
"""

RPC_TTL_MS: Final = 30_000
RPC_MAX_LENGTH: Final = 10_000

Argument = str | int
Arguments = dict[str, Argument]

SUBSCRIBER_ARGUMENTS: Final[Arguments] = {"x-queue-type": "quorum", "x-delivery-limit": NEVER_REACHED}
"""Of the named, durable queue of a subscriber to the changes feed."""

EARLIER_SUBSCRIBER_ARGUMENTS: Final[Arguments] = {"x-queue-type": "quorum"}
"""Of such a queue of an earlier client; RabbitMQ 4 drops a message that was returned to it 20 times."""

EXCLUSIVE_ARGUMENTS: Final[Arguments] = {"x-queue-type": "classic"}
"""Of the queues that a client declares for the time of its connection."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable topic exchange."""

    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue, its binding, and its arguments as the broker compares them.

    `earlier` are the arguments of an earlier release, where they differ.
    """

    name: str
    exchange: str
    binding_key: str
    arguments: Arguments
    earlier: Arguments | None = None

    @property
    def moving(self) -> "Queue":
        """The queue that holds the messages while this one is declared again."""
        return replace(self, name=f"{self.name}.moving", earlier=None)


@dataclass(frozen=True, slots=True)
class Topology:
    """Every name of one installation; with a `prefix` several installations share a broker.

    The prefix precedes the names of queues and exchanges. Routing keys are the same in every installation.
    """

    prefix: str = ""

    @property
    def sessions(self) -> Exchange:
        """Events and requests are published here."""
        return Exchange(f"{self.prefix}{SESSIONS_EXCHANGE}")

    @property
    def dead(self) -> Exchange:
        """Refused events are published here."""
        return Exchange(f"{self.prefix}{DEAD_EXCHANGE}")

    @property
    def changes(self) -> Exchange:
        """Committed changes are published here."""
        return Exchange(f"{self.prefix}{CHANGES_EXCHANGE}")

    @property
    def write_queue(self) -> Queue:
        """Session writes."""
        return self._event_queue(WRITE_KEY)

    @property
    def delete_queue(self) -> Queue:
        """Session deletes."""
        return self._event_queue(DELETE_KEY)

    @property
    def erase_queue(self) -> Queue:
        """Erasures of players; one replica at a time consumes it: two would hide dead letters from each other."""
        queue = self._event_queue(ERASE_KEY)
        return replace(queue, arguments={**queue.arguments, "x-single-active-consumer": True})

    @property
    def rpc_queue(self) -> Queue:
        """Requests; a request that waits longer than its time to live is dropped.

        A quorum queue, so that requests are answered while a node of the broker is down. A request that exceeds the
        delivery limit, because workers died with it, is dropped too.
        """
        limits: Arguments = {
            "x-message-ttl": RPC_TTL_MS,
            "x-max-length": RPC_MAX_LENGTH,
            "x-overflow": "reject-publish",
        }
        arguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT, **limits}
        return Queue(f"{self.prefix}{RPC_KEY}", self.sessions.name, RPC_KEY, arguments, earlier=limits)

    @property
    def dead_queue(self) -> Queue:
        """Every refused event, body and properties as they came; a read delivers and returns it."""
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": NEVER_REACHED,
            "x-overflow": "reject-publish",
        }
        return Queue(f"{self.prefix}{DEAD_QUEUE}", self.dead.name, "#", arguments)

    @property
    def former_dead_queue(self) -> Queue:
        """The dead letters of earlier releases; RabbitMQ 4 drops a message that was returned to it 20 times."""
        return Queue(f"{self.prefix}{FORMER_DEAD_QUEUE}", self.dead.name, "#", {"x-queue-type": "quorum"})

    @property
    def probe_queue(self) -> Queue:
        """Shows which limit a policy gives to queues like the former one; it exists only during that test."""
        name = f"{self.prefix}{PROBE_QUEUE}"
        return Queue(name, self.sessions.name, name, {"x-queue-type": "quorum"})

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """All exchanges, in the order of declaration."""
        return (self.sessions, self.dead, self.changes)

    @property
    def queues(self) -> tuple[Queue, ...]:
        """All queues, in the order of declaration."""
        return (*self.event_queues, self.rpc_queue)

    @property
    def event_queues(self) -> tuple[Queue, ...]:
        """The queues that storing events needs: all but that of requests."""
        return (self.dead_queue, self.write_queue, self.delete_queue, self.erase_queue)

    @property
    def declared(self) -> tuple[Exchange | Queue, ...]:
        """All exchanges and queues, in the order of declaration."""
        return *self.exchanges, *self.queues

    @property
    def upgrade_queues(self) -> tuple[Queue, ...]:
        """Queues of earlier releases, and those that exist only during an upgrade."""
        return (self.former_dead_queue, self.probe_queue, self.rpc_queue.moving)

    def may_reply_to(self, address: str | None) -> bool:
        """Return whether a reply may go to `address`: only to callers' own queues (contract: Request)."""
        own = (f"{DIRECT_REPLY}.", REPLY_QUEUE_PREFIX, self.prefix + REPLY_QUEUE_PREFIX)
        return address is not None and address.startswith(own)

    def _event_queue(self, key: str) -> Queue:
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead.name,
            "x-dead-letter-routing-key": key,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
        return Queue(f"{self.prefix}{key}", self.sessions.name, key, arguments)
