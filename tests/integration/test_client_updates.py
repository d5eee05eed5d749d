"""`update` of the Python client against real workers: the recommended call for engines."""

import asyncio
from typing import Any

import pytest

from contracts.client import BadRequest, Conflict, NotFound, SessionStore, TimedOut
from tests.integration.test_client import session_of, store
from tests.support.programs.installation import StartReplica, Variables

__all__ = ["store"]


def add_gold(session: dict[str, Any]) -> None:
    session["state"]["gold"] = session["state"].get("gold", 0) + 1


async def gold(store: SessionStore) -> object:
    record = await store.read("sess_1")
    return record and record.session.state.get("gold")


async def test_every_update_of_every_engine_counts(
    store: SessionStore, installation: Variables, start_replica: StartReplica
) -> None:
    await asyncio.gather(start_replica(), start_replica())
    await store.write(session_of(1))
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    async with SessionStore(url, prefix=prefix, timeout=20) as other:
        updates = [engine.update("sess_1", add_gold) for engine in (store, other) for _ in range(20)]
        results = await asyncio.gather(*updates)
    assert len({result.revision for result in results}) == 40
    assert await gold(store) == 40


async def test_a_change_may_return_another_session_and_may_wait(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()

    async def changed(session: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {**session, "state": {"gold": 7}}

    await store.write(session_of(1))
    result = await store.update("sess_1", changed)
    record = await store.read("sess_1")
    assert record is not None
    assert (record.revision, record.session.state) == (result.revision, {"gold": 7})
    assert (await store.update("sess_1", lambda _: None)).revision == result.revision  # nothing to write


async def test_a_missing_session_is_refused_or_created(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    with pytest.raises(NotFound):
        await store.update("sess_1", add_gold)
    with pytest.raises(BadRequest, match="got nothing"):
        await store.update("sess_1", lambda _: None, missing="create")
    await store.update("sess_1", lambda found: found or session_of(1, state={"gold": 1}), missing="create")
    await store.update("sess_1", add_gold)
    assert await gold(store) == 2


async def test_a_change_that_fails_or_names_another_session_writes_nothing(
    store: SessionStore, start_replica: StartReplica
) -> None:
    await start_replica()
    written = await store.write(session_of(1))

    def fail(_session: dict[str, Any]) -> None:
        raise RuntimeError("a fault of the change")

    with pytest.raises(RuntimeError):
        await store.update("sess_1", fail)
    with pytest.raises(BadRequest, match="sess_2"):
        await store.update("sess_1", lambda _: session_of(2))
    record = await store.read("sess_1")
    assert record is not None
    assert record.revision == written.revision


async def test_writes_that_always_come_in_between_end_at_the_deadline(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    async with (
        SessionStore(url, prefix=prefix, timeout=20) as other,
        SessionStore(url, prefix=prefix, timeout=3) as store,
    ):
        await other.write(session_of(1))

        async def outpaced(session: dict[str, Any]) -> None:
            add_gold(session)
            await other.write(session_of(1, state={"gold": -1}))

        with pytest.raises((Conflict, TimedOut)):
            await store.update("sess_1", outpaced)
        assert await gold(other) == -1
