"""The proxy changes a connection exactly as its methods say."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.ports import LOOPBACK
from tests.support.servers.link import Direction
from tests.support.servers.proxy import Proxy

_SILENCE_SECONDS = 0.2
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Echo:
    """A server that echoes its input and remembers it."""

    def __init__(self) -> None:
        self.received = b""
        self.pieces: list[int] = []
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while chunk := await reader.read(65_536):
                self.received += chunk
                self.pieces.append(len(chunk))
                writer.write(chunk)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    async with Proxy(LOOPBACK, server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Streams]:
    streams = await asyncio.open_connection(LOOPBACK, proxy.port)
    yield streams
    streams[1].transport.abort()


async def test_everything_passes_both_ways_and_is_counted(proxy: Proxy, client: Streams, echo: Echo) -> None:
    body = bytes(range(256)) * 4_000
    assert await _exchange(client, body) == body
    assert proxy.counters.forwarded == {Direction.TO_SERVER: len(body), Direction.TO_CLIENT: len(body)}
    assert (proxy.counters.accepted, proxy.open_connections) == (1, 1)


async def test_an_end_of_one_side_reaches_the_other(client: Streams, echo: Echo) -> None:
    await _exchange(client, b"last words")
    client[1].write_eof()
    assert await client[0].read() == b""
    await echo.ended.wait()


async def test_a_cut_resets_open_connections_and_serves_the_next(proxy: Proxy, client: Streams) -> None:
    await _exchange(client, b"before")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await client[0].read()
    again = await asyncio.open_connection(LOOPBACK, proxy.port)
    assert await _exchange(again, b"after") == b"after"
    again[1].transport.abort()
    assert proxy.counters.resets == 1


async def test_a_pause_holds_everything_back_and_loses_nothing(
    proxy: Proxy, client: Streams, echo: Echo
) -> None:
    proxy.pause()
    later = await asyncio.open_connection(LOOPBACK, proxy.port)
    for _, writer in (client, later):
        writer.write(b"held")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client[0].readexactly(1), _SILENCE_SECONDS)
    assert echo.received == b""
    proxy.resume()
    assert [await streams[0].readexactly(4) for streams in (client, later)] == [b"held", b"held"]
    later[1].transport.abort()


async def test_a_delay_holds_each_chunk_for_its_time(proxy: Proxy, client: Streams) -> None:
    proxy.delay(0.05)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await _exchange(client, b"x")
    assert loop.time() - begun >= 0.1


async def test_slices_are_no_longer_than_asked(proxy: Proxy, client: Streams, echo: Echo) -> None:
    proxy.slice(1)
    proxy.delay(0.001)
    assert await _exchange(client, b"abcdefgh") == b"abcdefgh"
    assert max(echo.pieces) < 8


@pytest.mark.parametrize("limit", [0, 1, 5, 10])
async def test_exactly_so_many_bytes_arrive_before_the_cut(
    proxy: Proxy, client: Streams, echo: Echo, limit: int
) -> None:
    happened = proxy.cut_after(limit, Direction.TO_SERVER)
    client[1].write(b"0123456789")
    await happened.wait()
    await echo.ended.wait()
    assert echo.received == b"0123456789"[:limit]


async def test_a_cut_on_the_way_back_lets_the_client_read_what_came_before(
    proxy: Proxy, client: Streams
) -> None:
    proxy.cut_after(3, Direction.TO_CLIENT)
    client[1].write(b"0123456789")
    assert await client[0].readexactly(3) == b"012"
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await client[0].readexactly(1)


async def test_a_cut_counted_over_all_connections_happens_once(proxy: Proxy, client: Streams) -> None:
    happened = proxy.cut_after(6, Direction.TO_SERVER)
    await _exchange(client, b"1234")
    other = await asyncio.open_connection(LOOPBACK, proxy.port)
    other[1].write(b"5678")
    await happened.wait()
    assert await _exchange(client, b"9" * 20) == b"9" * 20
    other[1].transport.abort()
    assert proxy.counters.resets == 1


async def test_a_cut_counted_in_each_connection_happens_in_each(proxy: Proxy) -> None:
    proxy.cut_after(2, Direction.TO_SERVER, each_connection=True)
    for _ in range(2):
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        writer.write(b"123")
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(3)
        writer.transport.abort()
    assert proxy.counters.resets == 2


async def test_refused_connections_are_admitted_again_on_the_same_port(proxy: Proxy, client: Streams) -> None:
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(LOOPBACK, port)
    assert await _exchange(client, b"still open") == b"still open"
    await proxy.start()
    again = await asyncio.open_connection(LOOPBACK, port)
    assert await _exchange(again, b"open again") == b"open again"
    again[1].transport.abort()


async def test_a_server_that_is_away_is_a_reset_to_the_client() -> None:
    async with Proxy(LOOPBACK, 1) as proxy:
        reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.transport.abort()
        assert proxy.counters.unreachable == 1


async def test_only_the_connections_that_were_open_are_forgotten_and_reset(
    proxy: Proxy, client: Streams
) -> None:
    await _exchange(client, b"1234")
    assert (proxy.forget(), proxy.forget()) == (1, 0)
    later = await asyncio.open_connection(LOOPBACK, proxy.port)
    client[1].write(b"nobody gets this")
    proxy.reset_forgotten()
    with pytest.raises(ConnectionResetError):
        await client[0].read()
    assert await _exchange(later, b"5678") == b"5678"
    later[1].transport.abort()


async def test_new_connections_follow_a_server_to_its_port(proxy: Proxy, client: Streams) -> None:
    await _exchange(client, b"1234")
    proxy.follow(1)
    reader, writer = await asyncio.open_connection(LOOPBACK, proxy.port)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.transport.abort()
    assert await _exchange(client, b"5678") == b"5678"


async def _exchange(streams: Streams, body: bytes) -> bytes:
    reader, writer = streams
    writer.write(body)
    return await reader.readexactly(len(body))
