"""The TCP or TLS stream to the broker: the library's, but for what arrives, which goes through the frame filter."""

import asyncio
from typing import Any, Final

from aiormq.connection import TransportFactory
from yarl import URL

from worker.broker.frames import FrameFilter

RECEIVED_AT_ONCE: Final = 256 * 1024
UNREAD: Final = 2**20  # bytes that aiormq has not read yet; with twice as many the transport waits


class FilteredProtocol(asyncio.BufferedProtocol):
    """Hands the library's `stream` what the filter leaves of what arrives, and all else as it comes.

    It receives into one buffer: over TLS uvloop else allocates 256 KiB for every record, one an event. The library's
    protocol is no base of it, for uvloop gives no `asyncio.Protocol` a buffer.
    """

    def __init__(self, frames: FrameFilter, stream: asyncio.StreamReaderProtocol) -> None:
        self._buffer = memoryview(bytearray(RECEIVED_AT_ONCE))
        self._frames = frames
        self._stream = stream

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the transport puts what arrives."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Filter what arrived, and pass on the rest."""
        left = self._frames.feed(self._buffer[:nbytes].tobytes())
        if left:
            self._stream.data_received(left)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass it on."""
        self._stream.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._stream.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._stream.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._stream.resume_writing()


class FilteredTransport(TransportFactory):
    """Opens the TCP or TLS stream with our reader in it, and keeps its writer."""

    def __init__(self, frames: FrameFilter) -> None:
        self._frames = frames
        self.writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connected stream whose deliveries go through the frame filter."""
        certificates = options.pop("ssl_context_provider")
        tls = await certificates.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=UNREAD)
        stream = asyncio.StreamReaderProtocol(reader)
        protocol = FilteredProtocol(self._frames, stream)
        host, port = url.host or "localhost", url.port or 0
        transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls, **options)
        self.writer = asyncio.StreamWriter(transport, stream, reader, loop)
        return reader, self.writer
