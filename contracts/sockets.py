"""TCP options for connections to the servers: the kernel ends one whose other side answers no more.

Without them a connection that a machine in between has forgotten is noticed by a time-out of the caller alone: the
kernel sends again for 15 minutes, and asks on an idle connection after two hours (tcp(7)).
"""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

UNANSWERED_SECONDS: Final = 8
_NOTHING: Final[Mapping[str, int]] = {}
_OPTIONS: Final = {
    "TCP_KEEPIDLE": 3,
    "TCP_KEEPINTVL": 2,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": UNANSWERED_SECONDS * 1000,
}
"""Seconds, but for the last, which is milliseconds; a system lacks some of them."""
_LIBPQ: Final = {
    "TCP_KEEPIDLE": "keepalives_idle",
    "TCP_KEEPINTVL": "keepalives_interval",
    "TCP_KEEPCNT": "keepalives_count",
    "TCP_USER_TIMEOUT": "tcp_user_timeout",
}
"""libpq's name of each option."""


def end_when_unanswered(transport: asyncio.BaseTransport, asked: Mapping[str, int] = _NOTHING) -> None:
    """Have the kernel end the connection when nothing is acknowledged for 8 s, whether there is traffic or not.

    Values that are `asked` for by libpq's names go before ours; 0 leaves an option to the system, and `keepalives` 0
    asks nothing on an idle connection. Does nothing for a Unix socket.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with suppress(OSError):  # a socket that is closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, min(asked.get("keepalives", 1), 1))
        for name, usual in _OPTIONS.items():
            value = asked.get(_LIBPQ[name], usual)
            if value > 0 and (number := getattr(socket, name, None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, number, value)
