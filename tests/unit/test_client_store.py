"""The Python client while answers are late, refused or too large; the transport is a list of replies."""

from contextlib import suppress
from typing import Any

import pytest

from contracts.client import Conflict, Rejected, SessionStore, TimedOut, TooLarge, Unavailable
from contracts.faults import ErrorReason, make_error
from contracts.outcomes import Outcome
from contracts.requests import QueryOptions
from tests.support.broker.client_transport import SESSION, FakeTransport, Reply, client, confirmation


@pytest.fixture
def transport(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    """Return the transport of every client that the test makes."""
    transport = FakeTransport()
    monkeypatch.setattr("contracts.client.store.Transport", lambda *_: transport)
    return transport


def record(revision: int, session_id: str = "sess_1") -> Reply:
    moment = "2025-11-07T10:30:00.000Z"
    session = {**SESSION, "sessionId": session_id}
    return {"session": session, "revision": revision, "createdAt": moment, "updatedAt": moment}


def failure(reason: ErrorReason) -> Reply:
    return {"error": make_error(reason, "said why").model_dump(mode="json")}


def is_write(said: Reply) -> bool:
    return said.get("type") == "session.write"


async def asked_for(store: SessionStore, transport: FakeTransport) -> int | None:
    """Return the revision that a read waits for."""
    transport.answering = lambda _: failure(ErrorReason.INTERNAL_ERROR)
    with pytest.raises(Unavailable):
        await store.read("sess_1")
    revision: int | None = transport.sent[-1]["params"]["minRevision"]
    return revision


async def test_a_read_waits_for_the_queued_write_until_it_was_seen(transport: FakeTransport) -> None:
    store = client(durability="queued")
    written = await store.write(SESSION)
    assert written.outcome is None
    assert await asked_for(store, transport) == written.revision
    transport.answering = lambda _: {"result": {"record": record(written.revision)}}
    await store.read("sess_1")
    assert await asked_for(store, transport) is None


async def test_a_greater_wish_of_the_caller_counts(transport: FakeTransport) -> None:
    store = client(durability="queued")
    written = await store.write(SESSION)
    await store.read("sess_1", min_revision=written.revision + 5)
    assert transport.sent[-1]["params"]["minRevision"] == written.revision + 5


@pytest.mark.parametrize(
    ("answer", "is_seen"),
    [
        (confirmation("stored", 2**53 - 1), True),
        (confirmation("superseded", None), True),
        (confirmation("duplicate", None, first="deleted"), True),
        (confirmation("conflict", 2**53 - 1), True),
        (confirmation("conflict", None), False),
        (confirmation("rejected", None, code="too_large", message="too large"), False),
    ],
    ids=lambda value: value["outcome"] if isinstance(value, dict) else "",
)
async def test_only_what_was_applied_ends_the_wait_for_a_queued_write(
    transport: FakeTransport, answer: Reply, is_seen: bool
) -> None:
    store = client(durability="queued")
    queued = await store.write(SESSION)

    def answering(said: Reply) -> Reply:
        return answer if is_write(said) else failure(ErrorReason.INTERNAL_ERROR)

    transport.answering = answering
    with suppress(Conflict, Rejected, Unavailable):
        await store.write(SESSION, expected_revision=7)
    assert await asked_for(store, transport) == (None if is_seen else queued.revision)


async def test_several_sessions_are_read_at_once_and_those_behind_again(transport: FakeTransport) -> None:
    store = client(durability="queued")
    written = await store.write(SESSION)

    def answering(said: Reply) -> Reply:
        if said["method"] == "session.readMany":
            return {"result": {"records": [record(1), record(2, "sess_2"), record(1)]}}
        return {"result": {"record": record(said["params"]["minRevision"])}}

    transport.answering = answering
    records = await store.read_many(["sess_1", "sess_2", "sess_1"])
    assert [each.revision for each in records if each] == [written.revision, 2, written.revision]
    assert [said.get("method") for said in transport.sent[1:]] == ["session.readMany", "session.read"]


async def test_a_write_beyond_the_room_for_queued_ones_waits_for_its_commit(
    transport: FakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.client.clock.PendingWrites.has_room_for", lambda *_: False)
    transport.answering = lambda said: confirmation("stored", said["data"]["revision"])
    assert (await client(durability="queued").write(SESSION)).outcome is Outcome.STORED


async def test_a_repeat_is_told_its_first_outcome(transport: FakeTransport) -> None:
    transport.answering = lambda said: confirmation("duplicate", said["data"]["revision"], first="stored")
    assert (await client().write(SESSION)).outcome is Outcome.STORED


async def test_a_plain_write_that_came_late_is_told_so_and_the_next_one_is_newer(
    transport: FakeTransport,
) -> None:
    store, ahead = client(), 2**52
    transport.answering = lambda _: confirmation("superseded", ahead)
    assert (await store.write(SESSION)).outcome is Outcome.SUPERSEDED
    assert (await store.write(SESSION)).revision == ahead + 1


async def test_an_expected_revision_that_came_late_is_a_conflict(transport: FakeTransport) -> None:
    transport.answering = lambda said: (
        confirmation("superseded", 2**52) if is_write(said) else {"result": {"record": record(2**52)}}
    )
    with pytest.raises(Conflict) as caught:
        await client().write(SESSION, expected_revision=7)
    assert caught.value.record is not None
    assert caught.value.record.revision == 2**52


async def test_a_conflict_whose_session_cannot_be_read_in_time_is_a_time_out_of_the_write(
    transport: FakeTransport,
) -> None:
    transport.answering = lambda said: (
        confirmation("conflict", 9) if is_write(said) else failure(ErrorReason.NOT_YET_VISIBLE)
    )
    with pytest.raises(TimedOut, match="said why") as caught:
        await client(timeout=0.05).write(SESSION, expected_revision=7)
    assert str(caught.value.event_id) == transport.sent[0]["id"]
    assert caught.value.revision == transport.sent[0]["data"]["revision"]


async def test_a_worker_that_cannot_answer_now_is_asked_again(transport: FakeTransport) -> None:
    answers = [failure(ErrorReason.OVERLOADED), failure(ErrorReason.STORAGE_UNAVAILABLE)]
    transport.answering = lambda _: answers.pop() if answers else {"result": {"count": 3}}
    assert await client().count() == 3


async def test_a_worker_that_never_can_is_unavailable_and_says_why(transport: FakeTransport) -> None:
    transport.answering = lambda _: failure(ErrorReason.STORAGE_UNAVAILABLE)
    with pytest.raises(Unavailable) as caught:
        await client(timeout=0.2).count()
    assert caught.value.reason == "storage_unavailable"


async def test_pages_shrink_until_one_fits_into_an_answer(transport: FakeTransport) -> None:
    def answering(said: Reply) -> Reply:
        limit, start = said["params"]["options"]["limit"], said["params"]["options"].get("cursor") or "0"
        if limit > 3:
            return failure(ErrorReason.TOO_LARGE)
        page = range(int(start), min(int(start) + limit, 10))
        return {
            "result": {
                "records": [record(1, f"sess_{number}") for number in page],
                "nextCursor": str(page.stop) if page.stop < 10 else None,
            }
        }

    transport.answering = answering
    found = [each.session.session_id async for each in client().iterate(options=QueryOptions(limit=13))]
    assert found == [f"sess_{number}" for number in range(10)]
    transport.answering = lambda _: failure(ErrorReason.TOO_LARGE)
    with pytest.raises(TooLarge):
        [each async for each in client().iterate()]


@pytest.mark.parametrize("count", [0, 1, 5, 1000, 1001, 2500])
async def test_any_number_of_sessions_is_read_in_parts_that_fit(transport: FakeTransport, count: int) -> None:
    def answering(said: Reply) -> Reply:
        ids = said["params"]["sessionIds"]
        assert len(ids) <= 1000
        if len(ids) > 700:
            return failure(ErrorReason.TOO_LARGE)
        return {"result": {"records": [record(1, each) for each in ids]}}

    transport.answering = answering
    ids = [f"sess_{number}" for number in range(count)]
    records = await client().read_many(ids)
    assert [each.session.session_id for each in records if each] == ids


@pytest.mark.parametrize(
    "options", [{"durability": "maybe"}, {"url": "http://broker"}, {"url": "broker:5672"}]
)
def test_options_that_mean_nothing_are_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        SessionStore(**{"url": "amqp://nowhere", **options})
