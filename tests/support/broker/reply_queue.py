"""A caller's own queue for replies, which it returns as whole messages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from tests.support.patience import LONGEST_WAIT


class ReplyQueue:
    """A queue with its `address` and the replies that arrive."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._came: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Keep a reply."""
        await self._came.put(message)

    async def next(self) -> AbstractIncomingMessage:
        """Return the next reply."""
        async with asyncio.timeout(LONGEST_WAIT):
            return await self._came.get()

    @property
    def is_empty(self) -> bool:
        """Whether every reply that arrived has been returned."""
        return self._came.empty()


@asynccontextmanager
async def reply_queue(url: str) -> AsyncIterator[ReplyQueue]:
    """Yield an exclusive queue for replies."""
    replies = ReplyQueue(f"session.reply.{uuid4().hex}")
    async with await aio_pika.connect(url, timeout=10) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(replies.address, exclusive=True)
        await queue.consume(replies.take, no_ack=True)
        yield replies
