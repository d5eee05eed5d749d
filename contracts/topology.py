"""The only place where a queue, an exchange or a routing key is spelled (CONTRACT: Topology)."""

from dataclasses import dataclass, replace
from typing import Final

WRITE_KEY: Final = "session.write"
DELETE_KEY: Final = "session.delete"
ERASE_KEY: Final = "player.erase"
RPC_KEY: Final = "session.rpc"
STORED_KEY: Final = "session.stored"
DELETED_KEY: Final = "session.deleted"
DEAD_QUEUE: Final = "session.dead.letters"
FORMER_DEAD_QUEUE: Final = "session.dead"
PROBE_QUEUE: Final = "session.dead.probe"

DIRECT_REPLY_PREFIX: Final = "amq.rabbitmq.reply-to."
REPLY_QUEUE_PREFIX: Final = "session.reply."

DELIVERY_LIMIT: Final = 20
NEVER_REACHED: Final = 1_000_000_000
"""The delivery limit of a queue that keeps its messages however often somebody takes and returns them.

It has to be written out: RabbitMQ 4 gives a quorum queue without one a limit of 20. And it has to be a number: 3.10
takes -1, which lifts the limit on 4, for a limit that the first return passes.
"""

RPC_TTL_MS: Final = 30_000
RPC_MAX_LENGTH: Final = 10_000

Argument = str | int
Arguments = dict[str, Argument]

FOLLOWER_ARGUMENTS: Final[Arguments] = {"x-queue-type": "quorum", "x-delivery-limit": NEVER_REACHED}
"""How a follower of the changes declares a named, durable queue."""

EARLIER_FOLLOWER_ARGUMENTS: Final[Arguments] = {"x-queue-type": "quorum"}
"""How earlier clients declared it; on RabbitMQ 4 such a queue drops what was returned to it 20 times."""

EXCLUSIVE_ARGUMENTS: Final[Arguments] = {"x-queue-type": "classic"}
"""How a client declares the queues that go with its connection."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable topic exchange."""

    name: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue, what it is bound to, and its arguments as the broker compares them.

    `earlier` are the arguments with which an earlier release declared it, where they were others.
    """

    name: str
    exchange: str
    binding_key: str
    arguments: Arguments
    earlier: Arguments | None = None

    @property
    def moving(self) -> "Queue":
        """The queue that holds the messages while this one is declared anew."""
        return replace(self, name=f"{self.name}.moving", earlier=None)


@dataclass(frozen=True, slots=True)
class Topology:
    """Every name of one installation; `prefix` lets several share a broker.

    It goes before queues and exchanges; routing keys are the same words in every installation.
    """

    prefix: str = ""

    @property
    def sessions(self) -> Exchange:
        """Events and requests are published here."""
        return Exchange(f"{self.prefix}sessions")

    @property
    def dead(self) -> Exchange:
        """Refused events are published here."""
        return Exchange(f"{self.prefix}sessions.dead")

    @property
    def changes(self) -> Exchange:
        """What was committed is published here."""
        return Exchange(f"{self.prefix}sessions.changes")

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
        """Erasures of players; one replica at a time takes them: two would hide dead letters from each other."""
        queue = self._event_queue(ERASE_KEY)
        return replace(queue, arguments={**queue.arguments, "x-single-active-consumer": True})

    @property
    def rpc_queue(self) -> Queue:
        """Requests; a waiting one is worthless after its time to live.

        A quorum queue, so that requests are answered while a node of the broker is down. One that takes so many
        workers with it that it passes the delivery limit is dropped.
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
        """Every refused event, body and properties as they came; looking at one takes it and returns it."""
        arguments: Arguments = {
            "x-queue-type": "quorum",
            "x-delivery-limit": NEVER_REACHED,
            "x-overflow": "reject-publish",
        }
        return Queue(f"{self.prefix}{DEAD_QUEUE}", self.dead.name, "#", arguments)

    @property
    def former_dead_queue(self) -> Queue:
        """Where earlier releases kept dead letters; RabbitMQ 4 drops from it what was returned 20 times."""
        return Queue(f"{self.prefix}{FORMER_DEAD_QUEUE}", self.dead.name, "#", {"x-queue-type": "quorum"})

    @property
    def probe_queue(self) -> Queue:
        """Shows what limit a policy gives to queues like the former one; there only while that is tried."""
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
        """The queues without which no event is stored: all but that of requests."""
        return (self.dead_queue, self.write_queue, self.delete_queue, self.erase_queue)

    @property
    def declared(self) -> tuple[Exchange | Queue, ...]:
        """All exchanges and queues, in the order of declaration."""
        return *self.exchanges, *self.queues

    @property
    def passing_queues(self) -> tuple[Queue, ...]:
        """Queues of an upgrade: those of earlier releases, and those that are there while it goes on."""
        return (self.former_dead_queue, self.probe_queue, self.rpc_queue.moving)

    def may_reply_to(self, address: str | None) -> bool:
        """Return whether an answer may go to `address`: only to callers' own queues (contract: Request)."""
        own = (DIRECT_REPLY_PREFIX, REPLY_QUEUE_PREFIX, self.prefix + REPLY_QUEUE_PREFIX)
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
