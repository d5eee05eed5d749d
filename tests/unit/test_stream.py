"""What arrives from the broker goes through the filter on its way to aiormq, whichever loop and whatever its size."""

import asyncio
import inspect
import socket
from collections.abc import Callable
from random import Random

import aiormq
import pamqp.frame
import pytest
import uvloop
from pamqp import commands
from yarl import URL

from tests.unit.amqp_stream import Receiver, whole, without_heartbeats
from worker.broker.connection import FilteredConnection, open_connection
from worker.broker.stream import RECEIVED_AT_ONCE, FilteredProtocol, FilteredTransport
from worker.errors import BrokerUnavailable

ACK = pamqp.frame.marshal(commands.Basic.Ack(1), 1)


async def receive(sent: bytes, receiver: Receiver) -> tuple[bytes, FilteredProtocol]:
    """Return what is left for aiormq of what a peer sends before it closes."""
    reader = asyncio.StreamReader()
    protocol = FilteredProtocol(receiver.filter, asyncio.StreamReaderProtocol(reader))
    here, there = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: protocol, sock=here)
    with there:
        await asyncio.to_thread(there.sendall, sent)
    left = await reader.read()
    transport.close()
    return without_heartbeats(left), protocol


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("size", [1, RECEIVED_AT_ONCE - 1, RECEIVED_AT_ONCE, 3 * RECEIVED_AT_ONCE])
def test_the_stream_is_received_whole(size: int, loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    receiver, body = Receiver(), Random(size).randbytes(size)
    with asyncio.Runner(loop_factory=loop) as runner:
        left, protocol = runner.run(receive(whole(body) + ACK, receiver))
    assert left == ACK
    assert [facts[5] for facts in receiver.taken] == [body]
    assert bytes(protocol.get_buffer(-1)).strip(b"\0")  # the loop used the buffer


def test_aiormq_has_the_seam_where_it_was() -> None:
    assert "transport_factory" in inspect.signature(aiormq.Connection.__init__).parameters
    assert not inspect.isabstract(FilteredTransport)


async def test_aio_pika_hands_our_transport_to_aiormq(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[URL] = []

    async def refuse(_: FilteredTransport, url: URL, **options: object) -> None:
        asked.append(url)
        assert "ssl_context_provider" in options
        raise ConnectionRefusedError("as asked")

    monkeypatch.setattr(FilteredTransport, "create", refuse)
    with pytest.raises(BrokerUnavailable, match="as asked"):
        await open_connection("amqp://localhost:1/", "test", 5.0)
    assert [url.port for url in asked] == [1]


async def test_every_connection_has_a_filter_of_its_own() -> None:
    one, two = (FilteredConnection(URL("amqp://localhost"), "test") for _ in range(2))
    assert one.frames is not two.frames
