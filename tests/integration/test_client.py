"""The Python client against real workers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from contracts.client import Closed, Conflict, Misconfigured, Rejected, SessionStore, TimedOut
from contracts.outcomes import Outcome
from contracts.requests import Filter, QueryOptions
from tests.support.programs.installation import StartReplica, Variables
from tests.support.selection import long
from tests.support.servers.proxy import Proxy


def session_of(number: int, **changed: Any) -> dict[str, Any]:
    """Return a session in wire form, another one for each number."""
    return {
        "sessionId": f"sess_{number}",
        "playerId": f"player_{number % 3}",
        "encounter": {"difficulty": ("easy", "hard")[number % 2], "title": "霧の中の灯台", "reward": 12.5},
        "state": {},
        "startedAt": f"2025-11-07T10:{number % 60:02}:00.000Z",
        **changed,
    }


@pytest.fixture
async def store(installation: Variables) -> AsyncIterator[SessionStore]:
    """Yield a client of the installation."""
    async with SessionStore(
        installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=20
    ) as store:
        yield store


async def test_what_was_written_is_read_until_it_is_deleted(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    session = session_of(1, completedAt=None, plugin={"kept": [1, 2.5, None]})
    written = await store.write(session)
    assert written.outcome is Outcome.STORED
    record = await store.read("sess_1")
    assert record is not None
    assert record.session.model_dump(mode="json", by_alias=True, exclude_unset=True) == session
    assert record.revision == written.revision
    assert (await store.delete("sess_1")).existed
    assert not (await store.delete("sess_1")).existed
    assert await store.read("sess_1") is None


async def test_an_erased_player_is_gone_and_may_come_back(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    written = await store.write(session_of(1))
    receipt = await store.erase_player("player_1")
    assert (receipt.sessions, receipt.remaining_sessions, receipt.later_sessions) == (1, 0, 0)
    assert await store.read("sess_1") is None
    late = await store.write(session_of(1), revision=written.revision + 1)
    assert late.outcome is Outcome.SUPERSEDED
    assert (await store.write(session_of(1))).outcome is Outcome.STORED
    assert (await store.erase_player("player_1", revision=1)).later_sessions == 1
    with pytest.raises(Rejected, match="bad_revision"):
        await store.erase_player("player_1", revision=0)


async def test_questions_are_answered_from_what_was_written(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    await asyncio.gather(*(store.write(session_of(number)) for number in range(30)))
    hard = Filter(difficulty="hard")
    assert await store.count(hard) == 15
    pages = [r.session.session_id async for r in store.iterate(hard, QueryOptions(limit=4, sort_order="asc"))]
    assert pages == [f"sess_{number}" for number in range(30) if number % 2]
    assert (await store.stats("player_1")).total_sessions == 10
    assert [r is not None for r in await store.read_many(["sess_3", "sess_x"])] == [True, False]
    assert (await store.health()).ok


@pytest.mark.parametrize("turns", [100, pytest.param(1000, marks=long("the same ten times as often"))])
async def test_a_queued_write_is_always_read_back_from_any_replica(
    installation: Variables, start_replica: StartReplica, turns: int
) -> None:
    await asyncio.gather(*(start_replica() for _ in range(3)))
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    async with SessionStore(url, prefix=prefix, durability="queued", timeout=20) as store:
        for turn in range(turns):
            await store.write(session_of(7, state={"turn": turn}))
            record = (await store.read_many(["sess_7"]))[0] if turn % 10 == 0 else await store.read("sess_7")
            assert record is not None
            assert record.session.state == {"turn": turn}


async def increase(store: SessionStore) -> None:
    """Increase the count in a session; repeat after conflicts with other writers."""
    record = await store.read("sess_1")
    while True:
        count = record.session.state["count"] if record else 0
        assert isinstance(count, int)
        counted = session_of(1, state={"count": count + 1})
        try:
            await store.write(counted, expected_revision=record.revision if record else 0)
        except Conflict as conflict:
            record = conflict.record
        else:
            return


async def test_two_engines_that_read_modify_and_write_lose_no_update(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()

    async def count_up(times: int) -> None:
        url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
        async with SessionStore(url, prefix=prefix, timeout=20) as store:
            for _ in range(times):
                await increase(store)

    await asyncio.gather(count_up(25), count_up(25))
    async with SessionStore(installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"]) as store:
        record = await store.read("sess_1")
        assert record is not None
        assert record.session.state == {"count": 50}


async def test_calls_outlive_a_worker_that_is_killed(
    store: SessionStore, start_replica: StartReplica
) -> None:
    first = await start_replica()
    calls = [asyncio.create_task(store.write(session_of(number))) for number in range(200)]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    await first.kill()
    await start_replica()
    outcomes = {written.outcome for written in await asyncio.gather(*calls)}
    assert outcomes == {Outcome.STORED}
    assert await store.count() == 200


async def test_calls_outlive_the_loss_of_the_connection(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    host, _, port = installation["AMQP_URL"].rpartition("@")[2].strip("/").rpartition(":")
    async with Proxy(host, int(port)) as proxy:
        url = installation["AMQP_URL"].replace(f":{port}", f":{proxy.port}")
        async with SessionStore(url, prefix=installation["SESSION_STORE_PREFIX"], timeout=20) as store:
            await store.write(session_of(1000))
            calls = [asyncio.create_task(store.write(session_of(number))) for number in range(300)]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            proxy.cut()
            assert {written.outcome for written in await asyncio.gather(*calls)} == {Outcome.STORED}
            assert await store.count() == 301


async def test_an_invalid_session_is_rejected_with_its_code(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    with pytest.raises(Rejected, match="startedAt") as caught:
        await store.write(session_of(1, startedAt="yesterday"))
    assert caught.value.code == "bad_time"


async def test_a_write_nobody_answers_times_out_and_can_be_repeated(
    store: SessionStore, installation: Variables, start_replica: StartReplica
) -> None:
    async with SessionStore(
        installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=0.5
    ) as hasty:
        with pytest.raises(TimedOut) as caught:
            await hasty.write(session_of(1))
    await start_replica()
    again = await store.write(session_of(1), event_id=caught.value.event_id, revision=caught.value.revision)
    assert again.outcome is Outcome.STORED
    assert await store.count() == 1


async def test_a_missing_topology_is_said_so(amqp_url: str) -> None:
    async with SessionStore(amqp_url, prefix=f"none{uuid4().hex}.") as store:
        with pytest.raises(Misconfigured, match="run: session-store topology"):
            await store.write(session_of(1))


async def test_a_closed_client_says_so_and_closes_twice(store: SessionStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(Closed):
        await store.read("sess_1")
