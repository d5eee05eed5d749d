"""Callers disconnect, ask for answers at addresses without a reader, and wait while the link is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import aio_pika
import pytest

from deploy.local.ports import LOOPBACK
from tests.support.selection import long
from tests.support.servers.proxy import Proxy
from tests.support.stage.caller import Caller
from tests.support.stage.stage import Stage

OTHER_FORM = long("another address that the broker cannot decode")
NOWHERE = (  # RabbitMQ 3.10 closes a connection that sends a reply to an address that it cannot decode
    "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMTE.abc",
    "session.reply.nobody",
    *(
        pytest.param(address, marks=OTHER_FORM)
        for address in (
            "amq.rabbitmq.reply-to.",
            "amq.rabbitmq.reply-to.x",
            "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE0NjQ2OTIAAALuAAAAAGsEkbc=.O5LRPQpoGD7gmDZQThckBg==",
            "amq.rabbitmq.reply-to.%%%.%%%",
        )
    ),
)


@pytest.fixture
def stage(calm_stage: Stage) -> Stage:
    """Return a stage whose servers stay: only clients disconnect."""
    return calm_stage


@pytest.fixture
async def caller(stage: Stage) -> AsyncIterator[Caller]:
    """Yield a caller at the stage's broker."""
    caller = Caller(stage.rabbit.url, stage.topology)
    yield caller
    await caller.close()


async def test_a_caller_that_has_gone_costs_the_others_nothing(stage: Stage, caller: Caller) -> None:
    replica = await stage.start_replica()
    for _ in range(5):
        gone = Caller(stage.rabbit.url, stage.topology)
        await asyncio.gather(*(gone.send("session.count") for _ in range(20)))
        await gone.close()
    replies = await asyncio.gather(*(caller.ask("session.count") for _ in range(50)))
    assert all(reply and reply["result"] == {"count": 0} for reply in replies)
    await stage.publish(500)
    report = await stage.finish()
    assert report.is_clean, report
    assert all(len(replies) == 1 for replies in caller.replies.values())
    assert replica.count("broker.connected") == 1, replica.tail()


@pytest.mark.parametrize("address", NOWHERE)
async def test_an_answer_that_leads_nowhere_costs_no_consumer(
    stage: Stage, caller: Caller, address: str
) -> None:
    replica = await stage.start_replica()
    await caller.send("session.count", reply_to=address)
    await _publish_asking(stage, address)
    while not await caller.ask("session.count", 1):  # an answer on the closed connection may be lost
        pass
    await stage.probe()
    assert replica.count("broker.connected") == 1, replica.tail()
    report = await stage.finish()
    assert report.is_clean, report


async def test_a_request_that_is_waited_for_does_not_keep_events_waiting(
    stage: Stage, caller: Caller, back_in_time: Callable[[float], None]
) -> None:
    async with Proxy(LOOPBACK, stage.rabbit.port) as proxy:
        await stage.start_replica(AMQP_URL=stage.amqp_url(proxy.port))
        await caller.send("session.read", 30, sessionId="nobody", minRevision=1)
        assert await caller.ask("session.count")
        proxy.cut()
        back_in_time(await stage.probe())
        report = await stage.finish()
    assert report.is_clean, report


async def _publish_asking(stage: Stage, address: str) -> None:
    """Publish an event whose publisher asks for a confirmation at this address."""
    event = replace(stage.make_probe(), asks=False)
    stage.history.note_attempt(event)
    message = aio_pika.Message(
        event.body, message_id=event.number, correlation_id="1", reply_to=address, delivery_mode=2
    )
    connection = await aio_pika.connect(stage.rabbit.url)
    async with connection, connection.channel() as channel:
        exchange = await channel.get_exchange(stage.topology.sessions.name)
        await exchange.publish(message, event.routing_key)
    stage.history.confirmed.add(event.number)
