"""Every Python snippet of the documentation runs, in order, against a real worker."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.client import SessionStore
from tests.command import run_command
from tests.faults.replica import PROJECT, Replica

SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Functions = dict[str, Callable[..., Awaitable[Any]]]


def functions_of(page: Path) -> Functions:
    """Return what the snippets of a page define."""
    found: dict[str, Any] = {}
    for snippet in SNIPPET.findall(page.read_text(encoding="utf-8")):
        exec(compile(snippet, str(page), "exec"), found)  # noqa: S102 - our own page
    return found


@pytest.fixture
async def amqp_of_worker(database_url: str, amqp_url: str) -> AsyncIterator[str]:
    """Yield the URL of a broker where a worker serves the names without a prefix, as the page has it."""
    variables = {"DATABASE_URL": database_url, "AMQP_URL": amqp_url}
    assert run_command("topology", variables=variables).returncode == 0
    replica = await Replica.start(variables)
    await replica.logged("broker.connected")
    yield amqp_url
    await replica.stop()


async def test_the_engine_page_does_what_it_says(amqp_of_worker: str) -> None:
    page = functions_of(PROJECT / "docs" / "engine.md")
    await page["play"](amqp_of_worker)
    async with SessionStore(amqp_of_worker, timeout=20) as store:
        await store.write(
            {
                "sessionId": "sess_hard",
                "playerId": "player_1",
                "encounter": {"difficulty": "hard"},
                "state": {},
                "startedAt": "2025-11-07T10:30:00Z",
            }
        )
        assert await page["list_hard_ones"](store) == ["sess_hard"]
        await page["complete"](store, "sess_hard", "2025-11-07T11:00:00.000Z")
        assert await page["list_hard_ones"](store) == []
