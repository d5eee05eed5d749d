"""With keys the changes feed is signed, and a client with keys takes only signed changes."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import aio_pika
import pytest

from contracts.client import SessionStore
from contracts.signing import change_content
from contracts.topology import SIGNATURE_HEADER, Topology
from tests.integration.test_client import session_of
from tests.support.broker.following import Announce, open_store, take
from tests.support.broker.forgeries import KEYS, OTHER
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables


@pytest.fixture
def installation(installation: Variables) -> Variables:
    """Return an installation whose workers publish to the changes feed and require signatures."""
    return {**installation, "SESSION_STORE_SIGNATURES": "enforce", "SESSION_STORE_SIGNING_KEYS": KEYS}


@pytest.fixture
async def store(installation: Variables, start_replica: StartReplica) -> AsyncIterator[SessionStore]:
    await start_replica()
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    async with SessionStore(url, prefix=prefix, timeout=20, keys=KEYS) as store:
        yield store


async def test_a_change_that_nobody_with_a_key_has_told_is_passed_over(
    store: SessionStore, announce: Announce, installation: Variables
) -> None:
    async with aclosing(store.changes()) as changes, aclosing(open_store(installation).changes()) as strange:
        await take(changes, 1)
        await take(strange, 1)
        await announce("sess_1", 2**52)  # greater than any true one: it would hide the others
        await announce_signed_by_another(installation, b'{"another": "key"}')
        await store.write(session_of(1, note="ä" * 70_000))
        await store.delete("sess_1")
        assert [change.type for change in await take(changes, 2)] == ["session.stored", "session.deleted"]
        assert [change.data.revision for change in await take(strange, 1)] == [2**52]


async def test_a_signature_holds_for_its_body_and_its_kind_alone(
    store: SessionStore, installation: Variables
) -> None:
    heard = await record_one_change(store, installation)
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        await publish_again(installation, heard, heard.body, "session.deleted")
        await publish_again(installation, heard, heard.body.replace(b"sess_1", b"sess_2"), "session.stored")
        await publish_again(installation, heard, heard.body, "session.stored")
        assert [change.subject for change in await take(changes, 1)] == ["sess_1"]


async def test_what_the_command_erases_is_told_with_a_signature(
    store: SessionStore, installation: Variables
) -> None:
    await store.write(session_of(1))
    async with aclosing(store.changes()) as changes:
        await take(changes, 1)
        done = run_command("erase", "--player", "player_1", "--yes", variables=installation)
        assert done.returncode == 0, done.stderr
        assert [change.type for change in await take(changes, 1)] == ["session.deleted"]


async def record_one_change(
    store: SessionStore, installation: Variables
) -> aio_pika.abc.AbstractIncomingMessage:
    """Return the message of a write, as any user who may read the exchange gets it."""
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(Topology(installation["SESSION_STORE_PREFIX"]).changes.name, "#")
        await store.write(session_of(1))
        async with queue.iterator(timeout=20) as heard:
            return await anext(aiter(heard))


async def publish_again(
    installation: Variables, heard: aio_pika.abc.AbstractIncomingMessage, body: bytes, key: str
) -> None:
    headers = {SIGNATURE_HEADER: heard.headers[SIGNATURE_HEADER]}
    await publish(installation, aio_pika.Message(body, headers=headers), key)


async def announce_signed_by_another(installation: Variables, body: bytes) -> None:
    exchange = Topology(installation["SESSION_STORE_PREFIX"]).changes.name
    header = OTHER.sign(change_content(exchange, "session.stored", body))
    await publish(installation, aio_pika.Message(body, headers={SIGNATURE_HEADER: header}), "session.stored")


async def publish(installation: Variables, message: aio_pika.Message, key: str) -> None:
    connection = await aio_pika.connect(installation["AMQP_URL"])
    async with connection, connection.channel() as channel:
        exchange = await channel.get_exchange(Topology(installation["SESSION_STORE_PREFIX"]).changes.name)
        await exchange.publish(message, key, mandatory=False)
