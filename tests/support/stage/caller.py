"""A caller of the worker: it sends each request once, and keeps every reply."""

import asyncio
from collections import defaultdict
from time import time
from typing import Any, Final
from uuid import uuid4

import aio_pika
import orjson
from aio_pika.abc import AbstractIncomingMessage

from contracts.topology import RPC_KEY, Topology
from tests.support.stage.wire import DIRECT_REPLY, Wire

Reply = dict[str, Any]

DEADLINE_SECONDS: Final = 5.0


class Caller:
    """Sends requests and keeps every reply by correlation id, so that a second reply is visible.

    Its clock is `clock_ahead` seconds ahead of ours.
    """

    def __init__(self, url: str, topology: Topology) -> None:
        self.replies: dict[str, list[Reply]] = defaultdict(list)
        self._wire = Wire(url, topology.sessions.name, self._take)
        self._news = asyncio.Event()
        self.clock_ahead = 0.0

    async def ask(
        self, method: str, seconds: float = DEADLINE_SECONDS, reply_to: str = DIRECT_REPLY, **params: object
    ) -> Reply | None:
        """Return the reply to one request, or None if none came by its deadline."""
        number = await self.send(method, seconds, reply_to, **params)
        try:
            async with asyncio.timeout(seconds):
                while not self.replies[number]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        return self.replies[number][0]

    async def send(
        self, method: str, seconds: float = DEADLINE_SECONDS, reply_to: str = DIRECT_REPLY, **params: object
    ) -> str:
        """Publish a request; returns its correlation id after the publisher confirm."""
        number = str(uuid4())
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        message = aio_pika.Message(
            orjson.dumps(request),
            reply_to=reply_to,
            correlation_id=number,
            headers={"deadline": int((time() + self.clock_ahead + seconds) * 1000)},
            expiration=seconds,
        )
        await self._wire.publish(message, RPC_KEY)
        return number

    async def close(self) -> None:
        """Close the connection."""
        await self._wire.close()

    def _take(self, message: AbstractIncomingMessage) -> None:
        self.replies[str(message.correlation_id)].append(orjson.loads(message.body))
        self._news.set()
