"""Every Python snippet of the documentation runs, in order, against a real worker."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from contracts.client import SessionStore
from tests.faults.replica import PROJECT

SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Functions = dict[str, Callable[..., Awaitable[Any]]]


def functions_of(page: Path) -> Functions:
    """Return what the snippets of a page define."""
    found: dict[str, Any] = {}
    for snippet in SNIPPET.findall(page.read_text(encoding="utf-8")):
        exec(compile(snippet, str(page), "exec"), found)  # noqa: S102 - our own page
    return found


async def test_the_engine_page_does_what_it_says(plain_installation: str) -> None:
    page = functions_of(PROJECT / "docs" / "engine.md")
    await page["play"](plain_installation)
    async with SessionStore(plain_installation, timeout=20) as store:
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
