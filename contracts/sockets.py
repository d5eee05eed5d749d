"""TCP options for connections to the servers: the kernel ends one whose other side answers no more.

Without them a connection that a machine in between has forgotten is noticed by a time-out of the caller alone: the
kernel sends again for 15 minutes, and asks on an idle connection after two hours (tcp(7)).
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

UNANSWERED_SECONDS: Final = 8
_OPTIONS: Final = {
    "TCP_KEEPIDLE": 3,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": UNANSWERED_SECONDS * 1000,
}
"""Seconds, but for the last, which is milliseconds; a system lacks some of them."""


def end_when_unanswered(transport: asyncio.BaseTransport) -> None:
    """Have the kernel end the connection when nothing is acknowledged for 8 s, whether there is traffic or not.

    Does nothing for a Unix socket.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # a socket that is closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _OPTIONS.items():
            if (number := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, number, value)
