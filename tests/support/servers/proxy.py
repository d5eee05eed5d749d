"""A TCP proxy that treats connections badly on demand.

Faults are set on the proxy and hold for every connection, open ones too, until they are taken back.
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
        """Have connections accepted; the port stays the same over stops and starts."""
        if self._listener is None:
            self.port = self.port or choose_port()
            self._listener = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def stop(self) -> None:
        """Have every connection reset and new ones refused."""
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
        """What has passed since the proxy was made."""
        return self._rules.counters

    @property
    def open_connections(self) -> int:
        """Connections accepted and not ended."""
        return len(self._links)

    def refuse(self) -> None:
        """Have new connections refused as by a machine where nobody listens; `start` admits them again."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def cut(self) -> None:
        """Reset every connection now; later ones are served."""
        for link in list(self._links):
            link.reset()

    def pause(self) -> None:
        """Forward nothing: connections stay open, new ones are accepted, and nobody answers."""
        self._rules.flowing.clear()

    def resume(self) -> None:
        """Forward what was held back, and everything after it."""
        self._rules.flowing.set()

    def follow(self, target_port: int) -> None:
        """Forward new connections to this port: a server that was away may come back on another one."""
        self._rules.target = (self._rules.target[0], target_port)

    def forget(self) -> int:
        """Forward nothing more on the connections that are open, and tell neither side; new ones are served.

        Returns how many connections have been forgotten by this.
        """
        fresh = [link for link in self._links if not link.is_forgotten]
        for link in fresh:
            link.forget()
        return len(fresh)

    def reset_forgotten(self) -> None:
        """Reset the connections that were forgotten, so that no side waits for them any longer."""
        for link in list(self._links):
            if link.is_forgotten:
                link.reset()

    async def forgotten_ended(self) -> None:
        """Return once both sides of every forgotten connection have given it up."""
        async with asyncio.timeout(LONGEST_WAIT):
            while any(link.is_forgotten for link in self._links):
                await asyncio.sleep(0.05)

    def delay(self, seconds: float) -> None:
        """Hold every chunk for so long, each direction of each connection on its own; 0 ends it."""
        self._rules.delay_seconds = seconds

    def slice(self, chunk_bytes: int) -> None:
        """Forward at most so many bytes in one piece; 0 ends it."""
        self._rules.chunk_bytes = chunk_bytes or WHOLE_CHUNK

    def cut_after(
        self, n_bytes: int, direction: Direction, *, each_connection: bool = False
    ) -> asyncio.Event:
        """Reset the connection that carries the n-th byte in this direction, right after that byte has arrived.

        Counted from now over all connections, once; or, with `each_connection`, in every connection from its
        first byte, until `heal`. 0 lets no byte through. Returns an event that is set by the first cut.
        """
        rule = Cut(n_bytes, each_connection)
        self._rules.cuts[direction] = rule
        return rule.happened

    def heal(self) -> None:
        """Take back every fault but the refusal of new connections."""
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
