"""When the Python client publishes again what nobody answered; the link is a list."""

import asyncio
from typing import Self

import pytest

from contracts.client.events import OutgoingMessage
from contracts.client.transport import Transport
from contracts.topology import Topology

EVENT = OutgoingMessage(
    b"{}", "session.write", "application/cloudevents+json", True, "session.write of sess_1"
)


class Link:
    """Takes every message, tells nobody, and is lost after the waits that the test names."""

    def __init__(self, *lost_after: int) -> None:
        self.lost_after = lost_after
        self.waits: list[float] = []
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def publish(self, *_: object) -> bool:
        return True

    async def close(self) -> None:
        """Nothing is open."""

    async def open(self, *_: object) -> Self:
        self.lost = asyncio.get_running_loop().create_future()
        return self

    async def wait(self, answer: "asyncio.Future[dict[str, object]]", _: object, seconds: float) -> None:
        """Stand for the time that passes without an answer; the fifth wait brings one."""
        self.waits.append(seconds)
        if len(self.waits) == 5:
            answer.set_result({"outcome": "stored"})
        elif len(self.waits) in self.lost_after:
            self.lost.set_result(None)


@pytest.mark.parametrize(
    ("lost_after", "waits"), [((), [2, 4, 8, 16, 32]), ((1, 3), [2, 2, 4, 4, 8])], ids=["silent", "cut"]
)
async def test_an_event_is_published_again_after_pauses_that_double_with_the_silence(
    monkeypatch: pytest.MonkeyPatch, lost_after: tuple[int, ...], waits: list[float]
) -> None:
    link = Link(*lost_after)
    monkeypatch.setattr("contracts.client.transport.Link.open", link.open)
    monkeypatch.setattr("contracts.client.transport._first_of", link.wait)
    monkeypatch.setattr("contracts.client.transport.RECONNECT_DELAY", 0.001)
    transport = Transport("amqp://nowhere", "engine", Topology(""))
    transport.open()
    deadline = asyncio.get_running_loop().time() + 1_000
    assert await transport.request(EVENT, deadline) == {"outcome": "stored"}
    assert link.waits == waits
    await transport.close()
