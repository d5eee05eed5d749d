"""A pooler whose server is away refuses a login with 08P01, as a parameter; the worker tries again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest

from deploy.local.ports import LOOPBACK
from worker.errors import DatabaseRefused, StorageUnavailable
from worker.store.pgbouncer import NO_SERVER, Pooler, connect

FIELDS: Final = b"SFATAL\0VFATAL\0C08P01\0Mserver login has been failing, try again later\0\0"
"""The answer of PgBouncer 1.22 and newer to every login after a failed login of its own."""


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Yield the URL of a pooler that reaches no server."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        writer.write(b"E" + (len(FIELDS) + 4).to_bytes(4) + FIELDS)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql://worker:secret@{LOOPBACK}:{port}/sessions?sslmode=disable"


@pytest.mark.parametrize("pooler", ["session", "transaction"])
async def test_a_known_pooler_is_tried_again(url: str, pooler: Pooler) -> None:
    with pytest.raises(StorageUnavailable, match=NO_SERVER) as caught:
        await connect(url, pooler, {}, timeout=5)
    assert not isinstance(caught.value, DatabaseRefused)
    assert "role worker" in caught.value.__notes__[0]


async def test_an_unknown_pooler_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(DatabaseRefused, match="a pooler is in between"):
        await connect(url, "none", {}, timeout=5)
