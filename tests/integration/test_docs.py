"""Every Python snippet of the documentation runs, in order, with the client's wheel against a real worker."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.local.instance import PROJECT
from tests.integration.test_client import session_of
from tests.support.programs.wheels import client_package, wheels

__all__ = ["client_package", "wheels"]

SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Functions = dict[str, Callable[..., Awaitable[Any]]]


def functions_of(page: Path) -> Functions:
    """Return the names that the snippets of a page define."""
    found: dict[str, Any] = {}
    for snippet in SNIPPET.findall(page.read_text(encoding="utf-8")):
        exec(compile(snippet, str(page), "exec"), found)  # noqa: S102 - our own page
    return found


async def test_the_engine_page_does_what_it_says(client_package: Any, plain_installation: str) -> None:
    page = functions_of(PROJECT / "docs" / "engine.md")
    await page["play"](plain_installation)
    async with client_package.SessionStore(plain_installation, timeout=20) as store:
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
        for step in (1, 2):
            await page["advance"](store, "sess_hard")
            assert (await store.read("sess_hard")).session.state == {"step": step}
        await page["complete"](store, "sess_hard", "2025-11-07T11:00:00.000Z")
        assert await page["list_hard_ones"](store) == []


@pytest.mark.usefixtures("client_package")
@pytest.mark.parametrize("page", ["README.md", "contracts/client/README.md"])
async def test_a_readme_does_what_it_says(page: str, plain_installation: str) -> None:
    await functions_of(PROJECT / page)["play"](plain_installation)


async def test_the_cache_of_the_engine_page_is_kept_fresh(
    client_package: Any, plain_installation: str
) -> None:
    page = functions_of(PROJECT / "docs" / "engine.md")
    async with client_package.SessionStore(plain_installation, timeout=20) as store, asyncio.timeout(60):
        cache: Any = page["Cache"](store)
        following = asyncio.create_task(cache.follow())
        await cache.follows.wait()
        assert await cache.read("sess_1") is None
        for step in (1, 2):
            await store.write(session_of(1, state={"step": step}))
            while not (found := await cache.read("sess_1")) or found.state != {"step": step}:
                await asyncio.sleep(0.01)
        await store.delete("sess_1")
        while await cache.read("sess_1"):
            await asyncio.sleep(0.01)
        await store.close()
        with pytest.raises(client_package.Closed):
            await following
