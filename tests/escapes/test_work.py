"""The documented logins are enough for the work of engines, workers and monitors, on every broker."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.access import ENGINE, EVENTS_VHOST
from contracts.client import SessionStore
from tests.escapes.conversation import Conversation, conversation
from tests.escapes.walls import TOPOLOGY, Walls
from tests.support.broker.caller import make_session
from tests.support.patience import LONGEST_WAIT

SHOWN = re.compile(r'^session_store_queue_messages\{queue="([a-z.]+)"\}', re.MULTILINE)


@pytest.fixture
async def talk(walls: Walls, tmp_path: Path) -> AsyncIterator[Conversation]:
    async with conversation(walls, tmp_path) as both:
        yield both


async def test_a_player_is_erased_with_the_logins_of_engine_and_worker(
    talk: Conversation, walls: Walls
) -> None:
    async with SessionStore(walls.amqp_url(ENGINE)) as store:
        await store.write(make_session("erased", "player_of_escapes"))
        receipt = await store.erase_player("player_of_escapes")
        assert (receipt.sessions, receipt.remaining_sessions) == (1, 0)
        assert await store.read("erased") is None


async def test_a_worker_and_a_monitor_count_the_messages_of_every_queue(
    talk: Conversation, walls: Walls
) -> None:
    assert None not in await walls.count_all(EVENTS_VHOST)
    wanted = {each.name for each in TOPOLOGY.event_queues}
    async with asyncio.timeout(LONGEST_WAIT):
        while not wanted <= set(SHOWN.findall(await talk.page("/metrics"))):
            await asyncio.sleep(0.1)
