"""Requests with and without an answer; after each of them the next is answered on the same connection."""

import asyncio
from time import time
from typing import Any, Final

import aio_pika
import orjson
import pytest
from structlog.testing import capture_logs

from contracts.topology import RPC_KEY
from tests.support.broker.caller import DIRECT_REPLY, Caller, Failed, Json, make_session, within
from tests.support.broker.raw_amqp import UNDECODABLE, raw_publisher
from tests.support.programs.rpc_worker import Installation
from worker.rpc import answers

pytestmark = pytest.mark.asyncio(loop_scope="module")

HEALTH: Final = b'{"jsonrpc":"2.0","id":1,"method":"health.check"}'
NUMBER: Final = "ignored"


async def assert_still_served(installation: Installation, log: list[Any], not_served: int) -> None:
    """Assert that a request is answered, others were ignored, and the worker has its first connection."""
    assert (await installation.caller.call("health.check"))["ok"] is True
    assert installation.caller.strays == []
    events = [entry["event"] for entry in log]
    assert events.count("rpc.ignored") == not_served
    assert "broker.connected" not in events


@pytest.mark.parametrize(
    "properties",
    [
        {"correlation_id": NUMBER},
        {"reply_to": DIRECT_REPLY},
        {"correlation_id": NUMBER, "reply_to": ""},
        {"correlation_id": "", "reply_to": DIRECT_REPLY},
        {"correlation_id": NUMBER, "reply_to": "session.write"},
        {"correlation_id": NUMBER, "reply_to": "amq.gen-someone's"},
        {"correlation_id": NUMBER, "reply_to": "x.session.reply.1"},
    ],
)
async def test_who_may_not_be_answered_is_not(installation: Installation, properties: dict[str, Any]) -> None:
    with capture_logs() as log:
        await installation.caller.publish(HEALTH, **properties)
        await assert_still_served(installation, log, not_served=1)


async def test_properties_that_cannot_be_decoded_cost_no_connection(installation: Installation) -> None:
    with capture_logs() as log:
        async with raw_publisher(installation.amqp_url) as raw:
            for properties in UNDECODABLE.values():
                await raw.publish(installation.topology.sessions.name, RPC_KEY, properties, HEALTH)
            async with asyncio.timeout(10):
                while len(log) < len(UNDECODABLE):
                    await installation.caller.call("health.check")
        await assert_still_served(installation, log, not_served=len(UNDECODABLE))


async def test_a_reply_queue_of_the_callers_own_is_answered(installation: Installation) -> None:
    arrived: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
    channel = await installation.caller.connection.channel()
    for name in ("session.reply.mine", installation.topology.prefix + "session.reply.mine"):
        replies = await channel.declare_queue(name, exclusive=True)
        await replies.consume(arrived.put, no_ack=True)
        await installation.caller.publish(HEALTH, correlation_id=name, reply_to=name)
        async with asyncio.timeout(10):
            reply = await arrived.get()
        assert reply.correlation_id == name
        assert orjson.loads(reply.body)["result"]["ok"] is True
    await channel.close()


async def test_a_caller_that_has_gone_harms_nobody(installation: Installation) -> None:
    gone = await Caller.connect(installation.amqp_url, installation.topology)
    with capture_logs() as log:
        read = {"sessionId": "nobody's", "minRevision": 1}
        question = {"jsonrpc": "2.0", "id": 1, "method": "session.read", "params": read}
        await gone.publish(
            orjson.dumps(question), reply_to=DIRECT_REPLY, correlation_id="1", headers=within(0.5)
        )
        await gone.connection.close()
        with pytest.raises(Failed):
            await installation.caller.call("session.read", read, headers=within(0.7))
        await assert_still_served(installation, log, not_served=0)


@pytest.mark.parametrize("deadline", [-1, 0, 1, -(2**63), 1_762_511_400_123])
async def test_a_request_past_its_deadline_is_dropped(installation: Installation, deadline: int) -> None:
    with capture_logs() as log:
        await installation.caller.publish(
            HEALTH, reply_to=DIRECT_REPLY, correlation_id="late", headers={"deadline": deadline}
        )
        await assert_still_served(installation, log, not_served=1)


@pytest.mark.parametrize("deadline", [2**63 - 1, 1e30, "soon", True, None, [1], {"ms": 1}])
async def test_a_deadline_that_is_far_or_none_is_no_hindrance(caller: Caller, deadline: Any) -> None:
    assert (await caller.call("health.check", headers={"deadline": deadline}))["ok"] is True


@pytest.mark.parametrize("direction", ["behind", "ahead"])
async def test_a_caller_whose_clock_differs_is_answered_and_pointed_out(
    installation: Installation, direction: str
) -> None:
    headers = within(-3600 if direction == "behind" else 3600)
    with capture_logs() as log:
        answer = await installation.caller.call("health.check", headers=headers, expiration=30)
    assert answer["ok"] is True
    [line] = [line for line in log if line["event"] == "rpc.clocks_differ"]
    assert line["caller"] == direction
    assert 3500 < line["seconds"] < 3700


async def test_many_requests_at_once_are_each_answered_under_their_own_number(caller: Caller) -> None:
    await asyncio.gather(*(caller.write(make_session(f"one of {n}", state={"n": n})) for n in range(200)))
    found = await asyncio.gather(
        *(caller.call("session.read", {"sessionId": f"one of {n}"}) for n in range(200))
    )
    assert [each["record"]["session"]["state"]["n"] for each in found] == list(range(200))


async def read_from(caller: Caller, session_id: str, revision: int, seconds: float | None = None) -> Json:
    """Return the answer to a read that waits for a revision."""
    headers = within(seconds) if seconds else {}
    params = {"sessionId": session_id, "minRevision": revision}
    return await caller.call("session.read", params, headers=headers)


async def test_a_read_waits_until_the_revision_it_names_is_applied(caller: Caller) -> None:
    await caller.write(make_session("awaited"), 1)
    assert (await read_from(caller, "awaited", 1))["record"]["revision"] == 1
    reading = asyncio.create_task(read_from(caller, "awaited", 3, seconds=10))
    await asyncio.sleep(0)
    await caller.call("health.check")  # the earlier read is in progress now
    await caller.write(make_session("awaited", state={"n": 2}), 2)
    await caller.call("health.check")
    assert not reading.done()
    await caller.write(make_session("awaited", state={"n": 4}), 4)
    record = (await reading)["record"]
    assert (record["revision"], record["session"]["state"]) == (4, {"n": 4})


async def test_a_read_that_awaits_a_delete_finds_nothing(caller: Caller) -> None:
    await caller.write(make_session("to be deleted"), 1)
    reading = asyncio.create_task(read_from(caller, "to be deleted", 2, seconds=10))
    await asyncio.sleep(0)
    await caller.call("health.check")
    await caller.delete("to be deleted", 2)
    assert await reading == {"record": None}
    await caller.delete("never there", 5)
    assert await read_from(caller, "never there", 5) == {"record": None}


async def test_a_revision_that_does_not_come_is_told_at_the_deadline(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await caller.write(make_session("not yet"), 1)
    began = time()
    with pytest.raises(Failed) as raised:
        await read_from(caller, "not yet", 2, seconds=0.4)
    assert (raised.value.code, raised.value.reason, raised.value.retryable) == (
        -32003,
        "not_yet_visible",
        True,
    )
    assert 0.35 < time() - began < 2
    monkeypatch.setattr(answers, "VISIBLE_SECONDS", 0.2)
    with pytest.raises(Failed, match="revision 2 is not applied yet"):
        await read_from(caller, "not yet", 2)
