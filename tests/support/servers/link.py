"""One proxied connection and the rules it obeys."""

import asyncio
import fcntl
import socket
import struct
import termios
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum

WHOLE_CHUNK = 65_536
_LINGER_ZERO = struct.pack("ii", 1, 0)  # closing sends a reset
_ACKNOWLEDGE_SECONDS = 2.0
_ACKNOWLEDGE_POLL = 0.0005


class Direction(Enum):
    """The direction of bytes."""

    TO_SERVER = "client to server"
    TO_CLIENT = "server to client"


@dataclass(slots=True)
class Counters:
    """Counts since the proxy was made: connections, and forwarded bytes by direction."""

    accepted: int = 0
    unreachable: int = 0
    resets: int = 0
    forwarded: Counter[Direction] = field(default_factory=Counter)


@dataclass(slots=True)
class Cut:
    """Cut a connection after `limit` bytes, counted over all connections or in each connection."""

    limit: int
    each_connection: bool
    happened: asyncio.Event = field(default_factory=asyncio.Event)
    passed: int = 0


@dataclass(slots=True)
class Rules:
    """The rules of every connection of a proxy, read again for each chunk."""

    target: tuple[str, int]
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    delay_seconds: float = 0.0
    chunk_bytes: int = WHOLE_CHUNK
    cuts: dict[Direction, Cut] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)


class Link:
    """One client's connection and the one to the server behind it."""

    def __init__(self, rules: Rules, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._rules = rules
        self._client = (reader, writer)
        self._writers = [writer]
        self._passed: Counter[Direction] = Counter()
        self._broken = asyncio.Event()
        self.is_forgotten = False

    async def run(self) -> None:
        """Forward both ways until both sides have ended or the connection is reset."""
        tasks = (asyncio.create_task(self._forward()), asyncio.create_task(self._broken.wait()))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._close()

    def reset(self) -> None:
        """End the connection to both sides with a reset."""
        if not self._broken.is_set():
            self._rules.counters.resets += 1
            self._broken.set()

    def forget(self) -> None:
        """Forward no more bytes; the link ends once each side has ended by itself."""
        self.is_forgotten = True

    async def _forward(self) -> None:
        await self._rules.flowing.wait()
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._rules.target)
        except OSError:
            self._rules.counters.unreachable += 1
            self._broken.set()
            return
        self._writers.append(server_writer)
        client_reader, client_writer = self._client
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(Direction.TO_SERVER, client_reader, server_writer))
            both.create_task(self._pump(Direction.TO_CLIENT, server_reader, client_writer))

    async def _pump(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.transport.set_write_buffer_limits(0)
        try:
            while chunk := await reader.read(self._rules.chunk_bytes):
                await self._hold()
                if not self.is_forgotten:
                    await self._pass_on(direction, chunk, writer)
            await self._rules.flowing.wait()
            if not self.is_forgotten:
                writer.write_eof()
        except OSError:
            if not self.is_forgotten:
                self._broken.set()

    async def _hold(self) -> None:
        if self._rules.delay_seconds:
            await asyncio.sleep(self._rules.delay_seconds)
        await self._rules.flowing.wait()

    async def _pass_on(self, direction: Direction, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        rule = self._rules.cuts.get(direction)
        left = self._left(rule, direction)
        part = chunk[:left]
        self._count(rule, direction, len(part))
        if rule is None or left is None or left > len(chunk):
            writer.write(part)
            await writer.drain()
        else:
            await self._pass_last(rule, direction, part, writer)

    async def _pass_last(
        self, rule: Cut, direction: Direction, part: bytes, writer: asyncio.StreamWriter
    ) -> None:
        if not rule.each_connection:
            del self._rules.cuts[direction]
        writer.write(part)
        await writer.drain()
        await _await_acknowledged(writer)
        self.reset()
        rule.happened.set()
        await asyncio.Event().wait()  # not one more byte: run() cancels this

    def _left(self, rule: Cut | None, direction: Direction) -> int | None:
        if rule is None:
            return None
        return max(0, rule.limit - (self._passed[direction] if rule.each_connection else rule.passed))

    def _count(self, rule: Cut | None, direction: Direction, n_bytes: int) -> None:
        self._passed[direction] += n_bytes
        self._rules.counters.forwarded[direction] += n_bytes
        if rule is not None:
            rule.passed += n_bytes

    def _close(self) -> None:
        for writer in self._writers:
            raw = writer.get_extra_info("socket")
            if self._broken.is_set() and raw is not None:
                with suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            writer.transport.abort()


async def _await_acknowledged(writer: asyncio.StreamWriter) -> None:
    """Return once the receiver's kernel has every byte; a reset would discard bytes that are on their way."""
    raw: socket.socket = writer.get_extra_info("socket")
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ACKNOWLEDGE_SECONDS):
            while _bytes_on_their_way(raw):
                await asyncio.sleep(_ACKNOWLEDGE_POLL)


def _bytes_on_their_way(raw: socket.socket) -> int:
    return int(struct.unpack("i", fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0])
