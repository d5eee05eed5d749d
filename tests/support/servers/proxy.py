"""A TCP proxy that causes faults on demand.

A fault applies to every connection of the proxy, also to open ones, until it is removed.
"""

import asyncio
from types import TracebackType
from typing import Self

from deploy.local.ports import LOOPBACK, choose_port
from tests.support.patience import LONGEST_WAIT
from tests.support.servers.link import WHOLE_CHUNK, Counters, Cut, Direction, Link, Rules


class Proxy:
    """Listens on a loopback port and forwards to one server; a context manager that starts and stops it."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self.port = 0
        self._rules = Rules((target_host, target_port))
        self._rules.flowing.set()
        self._listener: asyncio.Server | None = None
        self._links: dict[Link, asyncio.Task[None] | None] = {}

    async def start(self) -> None:
        """Accept connections; the port stays the same over stops and starts."""
        if self._listener is None:
            self.port = self.port or choose_port()
            self._listener = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def stop(self) -> None:
        """Reset every connection and refuse new ones."""
        self.refuse()
        self.cut()
        await asyncio.gather(*filter(None, self._links.values()), return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    @property
    def counters(self) -> Counters:
        """Counts since the proxy was made."""
        return self._rules.counters

    @property
    def open_connections(self) -> int:
        """The number of connections that were accepted and have not ended."""
        return len(self._links)

    def refuse(self) -> None:
        """Refuse new connections, like a machine without a listener; `start` accepts them again."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def cut(self) -> None:
        """Reset every connection now; later ones are served."""
        for link in list(self._links):
            link.reset()

    def pause(self) -> None:
        """Forward nothing: connections stay open, new ones are accepted, and no answer comes."""
        self._rules.flowing.clear()

    def resume(self) -> None:
        """Forward the bytes that were held back, and all later ones."""
        self._rules.flowing.set()

    def follow(self, target_port: int) -> None:
        """Forward new connections to this port: a restarted server may have another one."""
        self._rules.target = (self._rules.target[0], target_port)

    def forget(self) -> int:
        """Forward no more bytes on open connections, without a sign to either side; new ones are served.

        Returns the number of connections that this call has forgotten.
        """
        fresh = [link for link in self._links if not link.is_forgotten]
        for link in fresh:
            link.forget()
        return len(fresh)

    def reset_forgotten(self) -> None:
        """Reset the forgotten connections, so that neither side waits any longer."""
        for link in list(self._links):
            if link.is_forgotten:
                link.reset()

    async def forgotten_ended(self) -> None:
        """Return once both sides have ended every forgotten connection."""
        async with asyncio.timeout(LONGEST_WAIT):
            while any(link.is_forgotten for link in self._links):
                await asyncio.sleep(0.05)

    def delay(self, seconds: float) -> None:
        """Delay every chunk for `seconds`, in each direction of each connection; 0 removes the delay."""
        self._rules.delay_seconds = seconds

    def slice(self, chunk_bytes: int) -> None:
        """Forward at most `chunk_bytes` bytes in one piece; 0 removes the limit."""
        self._rules.chunk_bytes = chunk_bytes or WHOLE_CHUNK

    def cut_after(
        self, n_bytes: int, direction: Direction, *, each_connection: bool = False
    ) -> asyncio.Event:
        """Reset the connection that carries the n-th byte in this direction, right after that byte has arrived.

        Bytes are counted from now on over all connections, for one cut. With `each_connection` they are
        counted from the first byte of every connection, and each is cut until `heal`. With 0, no byte passes.
        Returns an event that the first cut sets.
        """
        rule = Cut(n_bytes, each_connection)
        self._rules.cuts[direction] = rule
        return rule.happened

    def heal(self) -> None:
        """Remove every fault except the refusal of new connections."""
        self._rules.delay_seconds, self._rules.chunk_bytes = 0.0, WHOLE_CHUNK
        self._rules.cuts.clear()
        self.resume()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counters.accepted += 1
        link = Link(self._rules, reader, writer)
        self._links[link] = asyncio.current_task()
        try:
            await link.run()
        finally:
            del self._links[link]
