"""When the Python client publishes a message again; the link is a fake, and its clock moves only in waits."""

import asyncio
from dataclasses import replace
from typing import Self

import pytest

from contracts.client.address import BrokerAddress
from contracts.client.events import OutgoingMessage
from contracts.client.transport import Reply, Transport
from contracts.topology import Topology

EVENT = OutgoingMessage(
    b"{}", "session.write", "application/cloudevents+json", True, True, "session.write of sess_1"
)
READ = OutgoingMessage(b"{}", "session.rpc", "application/json", False, True, "session.read")
SEARCH = replace(READ, repeats=False, call="session.query")
DEADLINE = 1_000.0


class Link:
    """A link that takes every message and replies at the fifth wait; it is lost after these waits."""

    def __init__(self, *lost_after: int, confirms: bool = True) -> None:
        self.lost_after = lost_after
        self.confirms = confirms
        self.now = 0.0
        self.waits: list[float] = []
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.replies: dict[str, asyncio.Future[Reply]] = {}

    async def publish(self, _: OutgoingMessage, life: float, patience: float, correlation_id: str) -> bool:
        assert life == DEADLINE - self.now
        if not self.confirms:
            self._pass(patience)
            if len(self.waits) == 5:
                self.replies[correlation_id].set_result({"outcome": "stored"})
        return self.confirms

    async def close(self) -> None:
        """Do nothing: no connection is open."""

    async def open(self, *_: object) -> Self:
        self.lost = asyncio.get_running_loop().create_future()
        return self

    async def wait(self, reply: "asyncio.Future[Reply]", _: object, seconds: float) -> None:
        """Let the time pass without a reply; the fifth wait brings one."""
        self._pass(seconds)
        if len(self.waits) == 5 or seconds > 100:
            reply.set_result({"outcome": "stored"})
        elif len(self.waits) in self.lost_after:
            self.lost.set_result(None)

    def _pass(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) not in self.lost_after:
            self.now += seconds


def transport_on(monkeypatch: pytest.MonkeyPatch, link: Link) -> Transport:
    """Return an open transport that uses the link and its clock."""
    monkeypatch.setattr("contracts.client.transport.Link.open", link.open)
    monkeypatch.setattr("contracts.client.transport._first_of", link.wait)
    monkeypatch.setattr("contracts.client.transport.RECONNECT_DELAY", 0.001)
    monkeypatch.setattr("contracts.client.transport.monotonic", lambda: link.now)
    transport = Transport(BrokerAddress.parse("amqp://nowhere"), "engine", Topology(""))
    link.replies = transport._waiting
    transport.open()
    return transport


async def waits_of(monkeypatch: pytest.MonkeyPatch, link: Link, message: OutgoingMessage) -> list[float]:
    """Return the waits of a request: before each time that it was published again, and before its reply."""
    transport = transport_on(monkeypatch, link)
    assert await transport.request(message, DEADLINE) == {"outcome": "stored"}
    await transport.close()
    return link.waits


@pytest.mark.parametrize("message", [EVENT, READ], ids=lambda each: each.call.split()[0])
@pytest.mark.parametrize(
    ("lost_after", "waits"), [((), [2, 4, 8, 16, 32]), ((1, 3), [2, 2, 4, 4, 8])], ids=["silent", "cut"]
)
async def test_an_event_and_a_read_are_published_again_after_pauses_that_double_with_the_silence(
    monkeypatch: pytest.MonkeyPatch, message: OutgoingMessage, lost_after: tuple[int, ...], waits: list[float]
) -> None:
    assert await waits_of(monkeypatch, Link(*lost_after), message) == waits


async def test_a_search_is_published_once_while_only_its_reply_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await waits_of(monkeypatch, Link(), SEARCH) == [DEADLINE]


@pytest.mark.parametrize("message", [EVENT, READ, SEARCH], ids=lambda each: each.call.split()[0])
async def test_every_message_is_published_again_while_the_broker_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch, message: OutgoingMessage
) -> None:
    assert await waits_of(monkeypatch, Link(confirms=False), message) == [2, 4, 8, 16, 32]


async def test_a_refusal_is_no_silence_and_lengthens_no_wait_for_a_confirm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    link, patiences = Link(), []

    async def publish(_: OutgoingMessage, _life: float, patience: float, _id: str | None) -> bool:
        patiences.append(patience)
        if len(patiences) > 3:  # the first three are refused at once
            link.now += patience
        return len(patiences) == 6

    monkeypatch.setattr(link, "publish", publish)
    transport = transport_on(monkeypatch, link)
    await transport.publish(EVENT, DEADLINE)
    assert patiences == [2, 2, 2, 2, 4, 8]
    await transport.close()
