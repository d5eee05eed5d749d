"""Attempts at the broker, each with a user's own login; the answers are the broker's."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from aiormq.abc import AbstractChannel

from contracts.access import ADMIN, CALLER, ENGINE, EVENTS_VHOST, MONITOR, RPC_VHOST, WORKER
from tests.escapes.attempt import Attempt

Try = Callable[[AbstractChannel], Awaitable[object]]
REFUSED: Final = "403 ACCESS_REFUSED"


@dataclass(frozen=True, slots=True)
class BrokerAttempt(Attempt):
    """An attempt on a channel of this user in this virtual host."""

    user: str
    vhost: str
    act: Try


def publish(exchange: str, key: str) -> Try:
    return lambda channel: channel.basic_publish(b"{}", exchange=exchange, routing_key=key)


def declare(queue: str, **arguments: Any) -> Try:
    return lambda channel: channel.queue_declare(queue, arguments=arguments)


def bind(queue: str, exchange: str, key: str = "#") -> Try:
    return lambda channel: channel.queue_bind(queue, exchange, key)


def read(queue: str) -> Try:
    return lambda channel: channel.basic_get(queue)


async def consume_requests(channel: AbstractChannel) -> object:
    return await channel.basic_consume("session.rpc", lambda _: None)  # type: ignore[arg-type, return-value]


async def bind_own_queue_to_events(channel: AbstractChannel) -> object:
    await channel.queue_declare("session.reply.spy", exclusive=True)
    return await channel.queue_bind("session.reply.spy", "sessions", "session.write")


ROWS: Final[dict[tuple[str, str], dict[str, tuple[str, Try]]]] = {
    (CALLER, RPC_VHOST): {
        "publish-an-event": ("publish an event", publish("sessions", "session.write")),
        "erase-a-player": ("publish an erasure", publish("sessions", "player.erase")),
        "use-the-default-exchange": ("put an event into its queue by name", publish("", "session.write")),
        "forge-an-answer": ("answer another caller", publish("", "session.reply.other")),
        "forge-a-dead-letter": ("publish a dead letter", publish("sessions.dead", "bad_json")),
        "read-dead-letters": ("read refused events", read("session.dead.letters")),
        "steal-requests": ("consume others' requests", consume_requests),
        "declare-any-queue": ("declare a queue of any name", declare("mine")),
        "declare-a-server-named-queue": ("declare a queue the broker names", declare("")),
        "dead-letter-elsewhere": (
            "declare a queue that dead-letters into refused events",
            declare("session.reply.trap", **{"x-dead-letter-exchange": "sessions.dead"}),
        ),
        "dead-letter-by-name": (
            "declare a queue that dead-letters into any queue",
            declare("session.reply.trap", **{"x-dead-letter-exchange": ""}),
        ),
        "listen-to-requests": ("bind its reply queue to `sessions`", bind_own_queue_to_events),
        "bind-events": ("bind the events' queue in its virtual host", bind("session.write", "sessions")),
        "delete-requests": (
            "delete the requests' queue",
            lambda channel: channel.queue_delete("session.rpc"),
        ),
        "purge-requests": ("empty the requests' queue", lambda channel: channel.queue_purge("session.rpc")),
    },
    (ENGINE, EVENTS_VHOST): {
        "read-events": ("read others' events", read("session.write")),
        "read-dead-letters": ("read refused events", read("session.dead.letters")),
        "forge-a-dead-letter": ("publish a dead letter", publish("sessions.dead", "bad_json")),
        "forge-a-change": (
            "publish a change nobody committed",
            publish("sessions.changes", "session.stored"),
        ),
        "forge-an-answer": ("answer another engine", publish("", "session.reply.other")),
        "make-up-a-routing-key": ("publish by another routing key", publish("sessions", "session.other")),
        "declare-any-queue": ("declare a queue of any name", declare("mine")),
        "delete-events": ("delete the events' queue", lambda channel: channel.queue_delete("session.write")),
        "purge-events": ("empty the events' queue", lambda channel: channel.queue_purge("session.write")),
        "listen-to-events": ("bind its reply queue to `sessions`", bind_own_queue_to_events),
        "delete-the-exchange": ("delete `sessions`", lambda channel: channel.exchange_delete("sessions")),
        "bind-exchanges": (
            "have refused events flow into `sessions`",
            lambda channel: channel.exchange_bind(destination="sessions", source="sessions.dead"),
        ),
    },
    (WORKER, EVENTS_VHOST): {
        "publish-an-event": ("publish an event", publish("sessions", "session.write")),
        "declare-a-queue": ("declare a queue", declare("mine")),
        "declare-a-reply-queue": ("declare a queue as callers do", declare("session.reply.mine")),
        "declare-an-exchange": ("declare an exchange", lambda channel: channel.exchange_declare("mine")),
        "delete-events": ("delete the events' queue", lambda channel: channel.queue_delete("session.write")),
        "delete-the-exchange": ("delete `sessions`", lambda channel: channel.exchange_delete("sessions")),
        "unbind-events": (
            "unbind the events' queue",
            lambda channel: channel.queue_unbind("session.write", "sessions", "session.write"),
        ),
        "bind-more": ("bind the requests' queue to events", bind("session.rpc", "sessions", "session.write")),
        "read-answers": ("read a caller's answers", read("session.reply.other")),
        "bind-exchanges": (
            "have events flow into refused events",
            lambda channel: channel.exchange_bind(destination="sessions.dead", source="sessions"),
        ),
    },
    (MONITOR, EVENTS_VHOST): {
        "read-events": ("read events", read("session.write")),
        "publish-an-event": ("publish an event", publish("sessions", "session.write")),
        "use-the-default-exchange": ("put an event into its queue by name", publish("", "session.write")),
        "bind-more": ("bind a queue of events to changes", bind("session.write", "sessions.changes")),
        "purge-events": ("empty the events' queue", lambda channel: channel.queue_purge("session.write")),
        "delete-events": ("delete the events' queue", lambda channel: channel.queue_delete("session.write")),
    },
    (ADMIN, EVENTS_VHOST): {
        "declare-any-queue": ("declare a queue of another name", declare("mine")),
        "forge-an-answer": ("answer a caller", publish("", "session.reply.other")),
    },
}

BROKER_ATTEMPTS: Final = tuple(
    BrokerAttempt(
        name=f"{user.removeprefix('session_store_')}-{name}",
        tried=f"{user.removeprefix('session_store_')}: {tried}",
        by="broker",
        answer=REFUSED,
        user=user,
        vhost=vhost,
        act=act,
    )
    for (user, vhost), rows in ROWS.items()
    for name, (tried, act) in rows.items()
)

NO_ENTRY: Final = tuple(
    BrokerAttempt(
        name=f"{user.removeprefix('session_store_')}-enters-{place}",
        tried=f"{user.removeprefix('session_store_')}: open {where}",
        by="broker",
        answer="530 NOT_ALLOWED",
        user=user,
        vhost=vhost,
        act=read("session.write"),
    )
    for user, vhost, place, where in (
        (CALLER, EVENTS_VHOST, "the-events", "the events' virtual host"),
        (ENGINE, RPC_VHOST, "the-requests", "the callers' virtual host"),
        (ADMIN, RPC_VHOST, "the-requests", "the callers' virtual host"),
        (WORKER, "/", "the-default", "another virtual host"),
        (MONITOR, "/", "the-default", "another virtual host"),
    )
)
