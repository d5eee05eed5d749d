"""Cursors while the table changes, and cursors that no worker made."""

import asyncio
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest

from tests.support.broker.caller import Caller, Failed, Json, make_session

pytestmark = pytest.mark.asyncio(loop_scope="module")


def make_player(player: str, minutes: range) -> list[Json]:
    return [
        make_session(f"{player} {minute}", player, startedAt=f"2025-11-07T10:{minute:02}:00.000Z")
        for minute in minutes
    ]


async def write_all(caller: Caller, sessions: list[Json]) -> None:
    await asyncio.gather(*(caller.write(session) for session in sessions))


@pytest.mark.parametrize("sort_order", ["asc", "desc"])
async def test_sessions_stored_between_pages_neither_repeat_nor_hide_the_others(
    caller: Caller, sort_order: str
) -> None:
    player = f"busy {sort_order}"
    old, new = make_player(player, range(0, 60, 2)), make_player(player, range(1, 60, 2))
    random.Random(sort_order).shuffle(new)
    await write_all(caller, old)
    found: list[str] = []
    cursor: dict[str, object] = {}
    while cursor != {"cursor": None}:
        page = await caller.query({"playerId": player}, sortOrder=sort_order, limit=4, **cursor)
        found += [record["session"]["sessionId"] for record in page["records"]]
        cursor = {"cursor": page["nextCursor"]}
        await write_all(caller, [new.pop() for _ in new[:3]])
    kept = [session["sessionId"] for session in old]
    in_order = kept if sort_order == "asc" else kept[::-1]
    assert [session_id for session_id in found if session_id in set(kept)] == in_order
    assert len(found) == len(set(found))


async def test_the_session_a_page_ended_with_may_be_deleted_before_the_next(caller: Caller) -> None:
    await write_all(caller, make_player("ended", range(6)))
    first = await caller.query({"playerId": "ended"}, limit=3, sortOrder="asc")
    await caller.delete("ended 2", 2)
    rest = await caller.query({"playerId": "ended"}, sortOrder="asc", cursor=first["nextCursor"])
    assert [record["session"]["sessionId"] for record in rest["records"]] == ["ended 3", "ended 4", "ended 5"]


async def test_a_cursor_that_was_tampered_with_is_refused(caller: Caller) -> None:
    await write_all(caller, make_player("tampered", range(2)))
    cursor = (await caller.query({"playerId": "tampered"}, limit=1))["nextCursor"]
    raw = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[-3] ^= 1  # in the id
    forged = [
        urlsafe_b64encode(raw).decode().rstrip("="),
        cursor[:-4],
        cursor + "AAAA",
        f"{cursor}=",
        "!",
        "ä",
    ]
    for other in forged:
        with pytest.raises(Failed) as failed:
            await caller.query({"playerId": "tampered"}, cursor=other)
        assert (failed.value.code, failed.value.reason) == (-32602, "invalid_params")
        assert [fault["field"] for fault in failed.value.details] == ["options.cursor"]
