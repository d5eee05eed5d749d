"""Publishes messages and matches replies to requests, over one connection that it renews."""

import asyncio
import logging
import random
from collections.abc import Iterable
from time import monotonic
from typing import Final
from uuid import uuid4

import orjson

from ..limits import (
    MAX_RECONNECT_DELAY_MS,
    RECONNECT_DELAY_MS,
    REPUBLISH_DELAY_MS,
    REPUBLISH_UNANSWERED_MS,
)
from ..signing import Keyring, SignatureFault
from ..topology import Topology
from .address import BrokerAddress
from .connecting import CLOSE_SECONDS, LinkLost
from .errors import Closed, Misconfigured, ReplyUnverified, TimedOut
from .events import OutgoingMessage
from .link import Link
from .signer import MessageSigner

log = logging.getLogger(__name__)

RECONNECT_DELAY: Final = RECONNECT_DELAY_MS / 1000
MAX_RECONNECT_DELAY: Final = MAX_RECONNECT_DELAY_MS / 1000
REPUBLISH_DELAY: Final = REPUBLISH_DELAY_MS / 1000
REPUBLISH_UNANSWERED: Final = REPUBLISH_UNANSWERED_MS / 1000
NO_KEYS: Final = Keyring({})

Reply = dict[str, object]


class Transport:
    """Keeps one connection; every call takes a deadline (monotonic, in seconds) and outlives a reconnection.

    All raise TimedOut, Misconfigured and Closed.
    """

    def __init__(
        self, address: BrokerAddress, name: str, topology: Topology, keyring: Keyring = NO_KEYS
    ) -> None:
        self._address = address
        self._name = name
        self._topology = topology
        self._signer = MessageSigner(keyring, topology.sessions.name)
        self._signature_faults: dict[str, SignatureFault] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._link: asyncio.Future[Link]
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._last_failure: str | None = None

    def open(self) -> None:
        """Start to connect; calls wait for the connection."""
        if self._connecting is None:
            self._link = _future_link()
            self._connecting = asyncio.create_task(self._stay_connected())

    async def close(self) -> None:
        """Close the connection; calls in flight and later ones raise Closed."""
        connecting, self._connecting = self._connecting, None
        if connecting is None:
            return
        _fail([self._link, *self._waiting.values()], Closed("the client was closed"))
        connecting.cancel()
        await asyncio.wait({connecting}, timeout=CLOSE_SECONDS + 1)

    async def publish(self, message: OutgoingMessage, deadline: float) -> None:
        """Return once the broker has confirmed the message on a queue."""
        patience = REPUBLISH_UNANSWERED
        while True:
            link = await self._connected(message.call, deadline)
            until = min(deadline, monotonic() + patience)
            if await self._send(link, message, deadline, until):
                return
            patience *= 2 if monotonic() >= until else 1
            await self._pause(message.call, deadline)

    async def request(self, message: OutgoingMessage, deadline: float) -> Reply:
        """Publish, and return the reply; the same message is published again after the loss of a link.

        It is published again after a silence too: where the broker does not confirm it, and where it `repeats` and
        no reply comes. A broker that loses a node loses confirms and replies.
        """
        correlation_id, reply = uuid4().hex, _future_reply()
        self._waiting[correlation_id] = reply
        patience = REPUBLISH_UNANSWERED
        try:
            while not reply.done():
                link = await self._connected(message.call, deadline)
                until = min(deadline, monotonic() + patience)
                if await self._send(link, message, deadline, until, correlation_id):
                    left = (until if message.repeats else deadline) - monotonic()
                    await _first_of(reply, link.lost, max(left, 0.0))
                patience *= 2 if monotonic() >= until else 1
                if not reply.done():
                    await self._pause(message.call, deadline)
            return reply.result()
        except TimedOut as error:
            if fault := self._signature_faults.get(correlation_id):
                raise ReplyUnverified(message.call, reason=f"signature {fault}") from error
            raise
        finally:
            del self._waiting[correlation_id]
            self._signature_faults.pop(correlation_id, None)

    async def _connected(self, call: str, deadline: float) -> Link:
        if self._connecting is None:
            raise Closed("the client is not open")
        link = self._link
        await asyncio.wait({link}, timeout=max(deadline - monotonic(), 0.0))
        if not link.done():
            raise TimedOut(call, reason=self._last_failure)
        return link.result()

    async def _send(
        self,
        link: Link,
        message: OutgoingMessage,
        deadline: float,
        until: float,
        correlation_id: str | None = None,
    ) -> bool:
        now = monotonic()
        if now >= deadline:
            raise TimedOut(message.call, reason=self._last_failure)
        return await link.publish(message, deadline - now, until - now, correlation_id)

    async def _pause(self, call: str, deadline: float) -> None:
        if self._connecting is None:
            raise Closed("the client was closed")
        left = deadline - monotonic()
        if left <= 0:
            raise TimedOut(call, reason=self._last_failure)
        await asyncio.sleep(min(_jittered(REPUBLISH_DELAY), left))

    async def _stay_connected(self) -> None:
        """Connect, wait for the loss, connect again, until cancelled."""
        delay = RECONNECT_DELAY
        while True:
            try:
                link = await Link.open(
                    self._address, self._name, self._topology, self._on_reply, self._signer
                )
            except Exception as error:  # of any kind: without this task the client would never connect again
                self._note_failure(error)
                delay = min(delay * 2, MAX_RECONNECT_DELAY)
            else:
                self._last_failure, delay = None, RECONNECT_DELAY
                await self._use_until_lost(link)
            await asyncio.sleep(_jittered(delay))

    async def _use_until_lost(self, link: Link) -> None:
        self._link.set_result(link)
        try:
            await link.lost
            self._last_failure = "the connection was lost"
            log.warning("connection to the session store lost, connecting again")
        finally:
            self._link = _future_link()
            await link.close()

    def _note_failure(self, error: Exception) -> None:
        """Keep the reason for calls that time out; a misconfiguration fails the calls that wait now.

        The next attempt to connect may find the misconfiguration corrected.
        """
        self._last_failure = str(error)
        unforeseen = not isinstance(error, LinkLost | Misconfigured)
        log.warning("session store not reachable, trying again: %s", error, exc_info=unforeseen)
        if isinstance(error, Misconfigured):
            refused, self._link = self._link, _future_link()
            _fail([refused], error)

    def _on_reply(self, correlation_id: str, body: bytes, fault: SignatureFault | None) -> None:
        waiting = self._waiting.get(correlation_id)
        if waiting is None or waiting.done():
            return
        if fault is not None:  # anybody can send such a reply, and the genuine one may still come
            self._signature_faults[correlation_id] = fault
            log.warning("ignored a reply because of its signature: %s", fault)
            return
        try:
            reply = orjson.loads(body)
        except orjson.JSONDecodeError:
            reply = None
        if isinstance(reply, dict):
            waiting.set_result(reply)
        else:
            log.warning("ignored a reply that is not a JSON object")


def _jittered(seconds: float) -> float:
    return random.uniform(seconds / 2, seconds)  # noqa: S311 - jitter, not a secret


def _future_link() -> "asyncio.Future[Link]":
    return asyncio.get_running_loop().create_future()


def _future_reply() -> "asyncio.Future[Reply]":
    return asyncio.get_running_loop().create_future()


async def _first_of(reply: "asyncio.Future[Reply]", lost: "asyncio.Future[None]", seconds: float) -> None:
    both: set[asyncio.Future[object]] = {reply, lost}  # type: ignore[arg-type]
    await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _fail(futures: "Iterable[asyncio.Future[Link] | asyncio.Future[Reply]]", error: Exception) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
            future.exception()  # marked as retrieved: perhaps no caller waits for it
