"""Notifies the service manager of the worker's state, by sd_notify(3); silent without a listener."""

import socket
from collections.abc import Mapping
from contextlib import suppress


class SystemdNotifier:
    """systemd, behind the datagram socket `NOTIFY_SOCKET` names; an empty address means no service manager."""

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status: str | None = None
        self._was_ready = False

    def notify(self, reasons: Mapping[str, str]) -> None:
        """Say that the event loop turns, once that the worker is ready, and each time why it is not."""
        lines = ["WATCHDOG=1"]
        if not reasons and not self._was_ready:
            self._was_ready = True
            lines.append("READY=1")
        status = "; ".join(f"{part}: {reason}" for part, reason in reasons.items()) or "storing and answering"
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        self._send(lines)

    def notify_stopping(self) -> None:
        """Say that the worker drains."""
        self._send(["STOPPING=1", "STATUS=draining"])

    def _send(self, lines: list[str]) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)
            line.sendto("\n".join(lines).encode(), self._address)
