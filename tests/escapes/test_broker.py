"""The actions that the broker denies, tried with each user's own login."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiormq
import pytest
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic

from contracts.access import CALLER, ENGINE, EVENTS_VHOST, MONITOR, RPC_VHOST, USERS, WORKER
from contracts.topology import REPLY_QUEUE_PREFIX
from tests.escapes.attempt import Attempt
from tests.escapes.broker_attempts import BROKER_ATTEMPTS, NO_ENTRY, BrokerAttempt
from tests.escapes.walls import Walls

COPIES = tuple(
    Attempt(
        f"caller-{header.lower()}",
        f"caller: send a request by `{header}` to events too",
        "broker",
        "no binding; since RabbitMQ 4.3 also 403 ACCESS_REFUSED",
    )
    for header in ("CC", "BCC")
)
FOREIGN = Attempt(
    "engine-user-id", "engine: publish under another user's `user_id`", "broker", "406 PRECONDITION_FAILED"
)
LARGE = Attempt("engine-large", "engine: send a message over 4 MiB", "broker", "406 PRECONDITION_FAILED")
OTHERS = Attempt(
    "caller-reads-answers", "caller: read another caller's answers", "broker", "405 RESOURCE_LOCKED"
)
CONNECTIONS = Attempt(
    "monitor-connections", "monitor: open more connections than its limit", "broker", "530 NOT_ALLOWED"
)
CHANNELS = Attempt(
    "monitor-channels", "monitor: open more channels than its limit", "broker", "530 NOT_ALLOWED"
)
OTHER_ATTEMPTS = (*COPIES, FOREIGN, LARGE, OTHERS, CONNECTIONS, CHANNELS)


@asynccontextmanager
async def channel_of(walls: Walls, user: str, vhost: str) -> AsyncIterator[AbstractChannel]:
    """Yield a channel with confirms of a user's own connection."""
    connection = await aiormq.connect(walls.amqp_url(user, vhost))
    try:
        yield await connection.channel(publisher_confirms=True)
    finally:
        await connection.close()


@pytest.mark.parametrize("attempt", BROKER_ATTEMPTS, ids=str)
async def test_the_broker_refuses_what_a_user_need_not_do(walls: Walls, attempt: BrokerAttempt) -> None:
    async with channel_of(walls, attempt.user, attempt.vhost) as channel:
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await attempt.act(channel)


@pytest.mark.parametrize("attempt", NO_ENTRY, ids=str)
async def test_the_broker_lets_nobody_into_a_virtual_host_not_its_own(
    walls: Walls, attempt: BrokerAttempt
) -> None:
    with pytest.raises((aiormq.exceptions.ConnectionNotAllowed, aiormq.exceptions.InvalidFrameError)):
        async with channel_of(walls, attempt.user, attempt.vhost):
            pass


@pytest.mark.parametrize("header", ["CC", "BCC"])
async def test_a_copy_of_a_request_reaches_no_queue_of_events(walls: Walls, header: str) -> None:
    """Topic permissions do not stop a copy: before 4.3 RabbitMQ does not compare its routing key."""
    copied = Basic.Properties(headers={header: ["session.write", "session.delete", "player.erase"]})
    async with channel_of(walls, CALLER, RPC_VHOST) as channel:
        with suppress(aiormq.exceptions.ChannelAccessRefused):
            sent = await channel.basic_publish(
                b"{}", exchange="sessions", routing_key="session.rpc", properties=copied
            )
            assert isinstance(sent, Basic.Ack)
    for queue in ("session.write", "session.delete", "player.erase"):
        assert await walls.count(RPC_VHOST, queue) == 0, queue


async def test_nobody_publishes_under_anothers_name(walls: Walls) -> None:
    async with channel_of(walls, ENGINE, EVENTS_VHOST) as channel:
        with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed, match="user_id"):
            await channel.basic_publish(
                b"{}",
                exchange="sessions",
                routing_key="session.rpc",
                properties=Basic.Properties(user_id=MONITOR),
            )


async def test_a_message_over_the_brokers_limit_is_refused(walls: Walls) -> None:
    async with channel_of(walls, ENGINE, EVENTS_VHOST) as channel:
        with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed, match="larger than"):
            await channel.basic_publish(
                bytes(4 * 1024 * 1024 + 1), exchange="sessions", routing_key="session.write"
            )


async def test_a_caller_does_not_read_another_callers_answers(walls: Walls) -> None:
    async with channel_of(walls, CALLER, RPC_VHOST) as own, channel_of(walls, CALLER, RPC_VHOST) as others:
        await own.queue_declare(f"{REPLY_QUEUE_PREFIX}own", exclusive=True)
        with pytest.raises(aiormq.exceptions.ChannelLockedResource):
            await others.basic_get(f"{REPLY_QUEUE_PREFIX}own")


async def test_a_user_has_so_many_connections_and_no_more(walls: Walls) -> None:
    most = next(user.max_connections for user in USERS if user.name == MONITOR)
    url = walls.amqp_url(MONITOR)
    opened = await asyncio.gather(*(aiormq.connect(url) for _ in range(most)))
    try:
        with pytest.raises((aiormq.exceptions.ConnectionNotAllowed, aiormq.exceptions.InvalidFrameError)):
            await aiormq.connect(url)
    finally:
        await asyncio.gather(*(connection.close() for connection in opened))


async def test_a_user_has_so_many_channels_and_no_more(walls: Walls) -> None:
    most = next(user.max_channels for user in USERS if user.name == MONITOR)
    connection = await aiormq.connect(walls.amqp_url(MONITOR))
    for _ in range(most):
        await connection.channel()
    with pytest.raises(aiormq.exceptions.AMQPError):
        await connection.channel()
    await connection.close()


async def test_an_engine_follows_the_changes_by_a_queue_of_its_own(walls: Walls) -> None:
    async with (
        channel_of(walls, ENGINE, EVENTS_VHOST) as engine,
        channel_of(walls, WORKER, EVENTS_VHOST) as worker,
    ):
        await engine.queue_declare("session.changes.eu-1", exclusive=True)
        await engine.queue_bind("session.changes.eu-1", "sessions.changes", "session.*")
        await worker.basic_publish(b"{}", exchange="sessions.changes", routing_key="session.stored")
        assert (await engine.basic_get("session.changes.eu-1")).body == b"{}"
