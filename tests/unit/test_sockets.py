"""The options of a connection's socket, read back from the kernel."""

import asyncio
import socket
from pathlib import Path

from contracts.sockets import UNANSWERED_SECONDS, end_when_unanswered
from deploy.local.ports import LOOPBACK


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep the connection open until the other side closes it."""
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_the_kernel_ends_a_connection_that_nobody_answers() -> None:
    server = await asyncio.start_server(answer, LOOPBACK)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    end_when_unanswered(writer.transport)
    sock = writer.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNANSWERED_SECONDS * 1000
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < UNANSWERED_SECONDS
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_values_that_are_asked_for_go_before_ours() -> None:
    server = await asyncio.start_server(answer, LOOPBACK)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    asked = {"keepalives": 0, "keepalives_idle": 77, "tcp_user_timeout": 0, "connect_timeout": 3}
    end_when_unanswered(writer.transport, asked)
    sock = writer.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_unix_socket_is_left_as_it_is(tmp_path: Path) -> None:
    server = await asyncio.start_unix_server(answer, tmp_path / "socket")
    _, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    end_when_unanswered(writer.transport)
    assert writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
