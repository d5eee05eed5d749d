"""Nobody reads without a key, and the answer to a copied request goes nowhere else and is not sent later."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from time import time
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from pamqp.common import FieldTable

from contracts.client import Rejected, ReplyUnverified, SessionStore, SignatureRefused
from contracts.signing import Keyring, reply_content
from contracts.topology import RPC_KEY, SIGNATURE_HEADER, Topology
from tests.support.broker.caller import DIRECT_REPLY, Caller, make_session
from tests.support.broker.forgeries import FORGERIES, KEYS, Sent
from tests.support.broker.reply_queue import ReplyQueue, reply_queue
from tests.support.programs.watched_worker import Installation, install, until
from worker.broker.topology import declare_topology

KEYRING = Keyring.parse(KEYS)
READ = orjson.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "session.read", "params": {"sessionId": "sess", "state": {}}}
)
ASKED = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "session.read", "params": {"sessionId": "sess"}})
RECORD = orjson.dumps(
    {
        "result": {
            "record": {
                "session": make_session("sess"),
                "revision": 7,
                "createdAt": "2025-11-07T10:30:00.000Z",
                "updatedAt": "2025-11-07T10:30:00.000Z",
            }
        }
    }
)


@pytest.fixture
async def installation(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    """Yield an installation that trusts only its keys, with one session."""
    async with install(
        database_url, amqp_url, prefix, signatures="enforce", signing_keys=KEYS
    ) as installation:
        await installation.caller.write(make_session("sess"))
        yield installation


@pytest.fixture
async def replies(amqp_url: str) -> AsyncIterator[ReplyQueue]:
    async with reply_queue(amqp_url) as replies:
        yield replies


async def ask(installation: Installation, replies: ReplyQueue, sent: Sent) -> dict[str, Any]:
    """Return the answer to a message as it is; refusals are unsigned, except of an expired request."""
    outsider = Caller(installation.caller.connection, installation.caller._exchange)
    await outsider.publish(sent.body, sent.key, **sent.properties())
    reply = await replies.next()
    answer: dict[str, Any] = orjson.loads(reply.body)
    assert (SIGNATURE_HEADER in reply.headers) == ("error" not in answer or facts(answer)[3] == "expired")
    return answer


def genuine(installation: Installation, sent: Sent, now: float | None = None) -> Sent:
    return sent.signed(KEYRING, installation.topology.sessions.name, now)


def read_by(replies: ReplyQueue) -> Sent:
    deadline = int((time() + 60) * 1000)
    return Sent(ASKED, RPC_KEY, correlation_id="c-1", reply_to=replies.address, deadline=deadline)


def facts(answer: dict[str, Any]) -> tuple[int, str, bool, str]:
    error = answer["error"]
    fault = error["message"].partition(":")[0]
    return error["code"], error["data"]["reason"], error["data"]["retryable"], fault


async def test_a_signed_request_is_answered_and_the_answer_signed(
    installation: Installation, replies: ReplyQueue
) -> None:
    sent = genuine(installation, read_by(replies))
    await installation.caller.publish(sent.body, sent.key, **sent.properties())
    answer = await replies.next()
    assert orjson.loads(answer.body)["result"]["record"]["session"]["sessionId"] == "sess"
    content = reply_content(installation.topology.sessions.name, "c-1", answer.body)
    assert KEYRING.find_fault(answer.headers[SIGNATURE_HEADER], content) is None


async def test_what_is_made_of_a_signed_request_without_its_key_reads_nothing(
    installation: Installation, replies: ReplyQueue
) -> None:
    sent = genuine(installation, replace(read_by(replies), body=READ))
    for name, (forge, fault) in FORGERIES.items():
        forged = forge(sent, installation.topology.sessions.name)
        if forged.key == RPC_KEY:
            answer = await ask(installation, replies, forged)
            assert facts(answer) == (-32006, "bad_signature", False, fault), name
            assert answer["id"] is None


async def test_nothing_that_a_request_is_answered_by_can_be_changed(
    installation: Installation, replies: ReplyQueue
) -> None:
    sent = genuine(installation, read_by(replies))
    later: dict[str, Any] = {"deadline": 2_000_000_000_000}
    for changed in (later, {"deadline": None}, {"correlation_id": "c-2"}):
        answer = await ask(installation, replies, replace(sent, **changed))
        assert facts(answer)[3] == "wrong", changed
    assert "result" in await ask(installation, replies, sent)


async def test_the_answer_to_a_copied_request_does_not_go_to_another_queue(
    installation: Installation, replies: ReplyQueue, amqp_url: str
) -> None:
    copied = genuine(installation, read_by(replies))
    async with reply_queue(amqp_url) as thief:
        stolen = replace(copied, reply_to=thief.address)
        assert facts(await ask(installation, thief, stolen))[3] == "wrong"


async def test_the_answer_to_a_copied_request_does_not_go_to_another_connection(
    installation: Installation, replies: ReplyQueue, amqp_url: str
) -> None:
    copied = genuine(installation, read_by(replies))
    thief = await Caller.connect(amqp_url, installation.topology)
    await thief.publish(copied.body, copied.key, **{**copied.properties(), "reply_to": DIRECT_REPLY})
    await until(lambda: len(thief.strays) == 1)
    assert facts(orjson.loads(thief.strays[0].body))[3] == "wrong"
    await thief.connection.close()


async def test_a_request_outside_the_window_reads_nothing_and_is_told_so_by_a_signed_answer(
    installation: Installation, replies: ReplyQueue
) -> None:
    for seconds in (-61, 61):
        sent = genuine(installation, read_by(replies), now=time() + seconds)
        await installation.caller.publish(sent.body, sent.key, **sent.properties())
        answer = await replies.next()
        assert facts(orjson.loads(answer.body))[3] == "expired"
        content = reply_content(installation.topology.sessions.name, "c-1", answer.body)
        assert KEYRING.find_fault(answer.headers[SIGNATURE_HEADER], content) is None


async def test_a_client_without_keys_is_told_that_it_is_not_trusted(installation: Installation) -> None:
    url, prefix = installation.amqp_url, installation.topology.prefix
    async with SessionStore(url, prefix=prefix, timeout=20) as store:
        with pytest.raises(SignatureRefused, match="unsigned"):
            await store.read("sess")
        with pytest.raises(Rejected, match="bad_signature: unsigned"):
            await store.write(make_session("other"))
    assert await installation.revisions() == {"sess": 1}


async def test_a_client_with_keys_believes_no_answer_that_none_of_them_signed(
    database_url: str, amqp_url: str, prefix: str
) -> None:
    async with (
        install(database_url, amqp_url, prefix),  # a worker without keys
        SessionStore(amqp_url, prefix=prefix, timeout=1, keys=KEYS) as store,
    ):
        with pytest.raises(ReplyUnverified, match="signature unsigned"):
            await store.read("sess")
        with pytest.raises(ReplyUnverified, match="signature unsigned") as untrusted:
            await store.write(make_session("sess"))
    assert untrusted.value.event_id
    assert untrusted.value.revision


async def test_a_client_with_another_secret_of_the_same_id_believes_no_answer(
    installation: Installation,
) -> None:
    url, prefix, other = installation.amqp_url, installation.topology.prefix, "k2:" + "0f" * 16
    async with SessionStore(url, prefix=prefix, timeout=1, keys=other) as store:
        with pytest.raises(ReplyUnverified):
            await store.read("sess")


async def test_a_forged_answer_ends_no_call(amqp_url: str, prefix: str) -> None:
    topology = Topology(prefix)
    await declare_topology(amqp_url, topology)
    async with (
        SessionStore(amqp_url, prefix=prefix, timeout=20, keys=KEYS) as store,
        await aio_pika.connect(amqp_url) as connection,
        connection.channel() as channel,
    ):
        reading = asyncio.create_task(store.read("sess"))
        request = await next_of(await channel.get_queue(topology.rpc_queue.name))
        for answer in (b'{"result": {"record": null}}', RECORD):
            content = reply_content(topology.sessions.name, request.correlation_id or "", answer)
            headers: FieldTable = {SIGNATURE_HEADER: KEYRING.sign(content)} if answer == RECORD else {}
            await channel.default_exchange.publish(
                aio_pika.Message(answer, correlation_id=request.correlation_id, headers=headers),
                str(request.reply_to),
            )
        record = await reading
    assert record is not None
    assert record.revision == 7


async def next_of(queue: AbstractQueue) -> AbstractIncomingMessage:
    """Wait for the next message of a queue and return it."""
    async with asyncio.timeout(20):
        async with queue.iterator(no_ack=True) as messages:
            return await anext(messages)
