"""The client's line to the broker: publishes, asks, and connects again by itself."""

import asyncio
import logging
import random
from collections.abc import Iterable
from time import monotonic
from typing import Final
from uuid import uuid4

import orjson

from contracts.client.errors import Closed, Misconfigured, TimedOut, Untrusted
from contracts.client.link import CLOSE_SECONDS, Link, LinkLost
from contracts.client.messages import Message
from contracts.client.sealing import Seal
from contracts.signing import Keyring, SignatureFault
from contracts.topology import Topology

log = logging.getLogger(__name__)

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 3.0
ASK_AGAIN_SECONDS: Final = 2.0
NO_KEYS: Final = Keyring({})

Answer = dict[str, object]


class Wire:
    """Keeps one connection; every call takes a deadline (monotonic, in seconds) and outlives a reconnection.

    All raise TimedOut, Misconfigured and Closed.
    """

    def __init__(self, url: str, name: str, topology: Topology, keyring: Keyring = NO_KEYS) -> None:
        self._url = url
        self._name = name
        self._topology = topology
        self._seal = Seal(keyring, topology.sessions.name)
        self._refused: dict[str, SignatureFault] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._link: asyncio.Future[Link]
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._trouble: str | None = None

    def open(self) -> None:
        """Begin to connect; calls wait for it."""
        if self._keeper is None:
            self._link = _promise()
            self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Leave the connection closed; calls in flight and later ones raise Closed."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        _fail([self._link, *self._waiting.values()], Closed("the client was closed"))
        keeper.cancel()
        await asyncio.wait({keeper}, timeout=CLOSE_SECONDS + 1)

    async def publish(self, message: Message, deadline: float) -> None:
        """Return once the broker has confirmed the message on a queue."""
        while not await self._send(await self._connected(message.what, deadline), message, deadline):
            await self._rest(message.what, deadline)

    async def ask(self, message: Message, deadline: float) -> Answer:
        """Publish, and return the answer; published again, unchanged, after the loss of a link.

        An event is published again after a long silence too: that its outcome was lost is more likely than that
        publishing it twice does harm.
        """
        correlation_id, answer = uuid4().hex, _promise_of_answer()
        self._waiting[correlation_id] = answer
        patience = ASK_AGAIN_SECONDS
        try:
            while not answer.done():
                link = await self._connected(message.what, deadline)
                if await self._send(link, message, deadline, correlation_id):
                    left = max(deadline - monotonic(), 0.0)
                    await _first_of(answer, link.lost, min(left, patience) if message.persistent else left)
                    patience *= 1 if link.lost.done() else 2
                if not answer.done():
                    await self._rest(message.what, deadline)
            return answer.result()
        except TimedOut as error:
            if fault := self._refused.get(correlation_id):
                raise Untrusted(message.what, reason=f"signature {fault}") from error
            raise
        finally:
            del self._waiting[correlation_id]
            self._refused.pop(correlation_id, None)

    async def _connected(self, what: str, deadline: float) -> Link:
        if self._keeper is None:
            raise Closed("the client is not open")
        link = self._link
        await asyncio.wait({link}, timeout=max(deadline - monotonic(), 0.0))
        if not link.done():
            raise TimedOut(what, reason=self._trouble)
        return link.result()

    async def _send(
        self, link: Link, message: Message, deadline: float, correlation_id: str | None = None
    ) -> bool:
        left = deadline - monotonic()
        if left <= 0:
            raise TimedOut(message.what, reason=self._trouble)
        return await link.publish(message, left, correlation_id)

    async def _rest(self, what: str, deadline: float) -> None:
        if self._keeper is None:
            raise Closed("the client was closed")
        left = deadline - monotonic()
        if left <= 0:
            raise TimedOut(what, reason=self._trouble)
        await asyncio.sleep(min(random.uniform(0.02, 0.1), left))  # noqa: S311 - jitter, not a secret

    async def _keep(self) -> None:
        """Connect, wait for the loss, connect again, until cancelled."""
        longest = FIRST_WAIT
        while True:
            try:
                link = await Link.open(self._url, self._name, self._topology, self._take, self._seal)
            except Exception as error:  # whatever it was: a client that lay down would never get up again
                self._note(error)
                longest = min(longest * 2, LONGEST_WAIT)
            else:
                self._trouble, longest = None, FIRST_WAIT
                await self._hold(link)
            await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311 - jitter, not a secret

    async def _hold(self, link: Link) -> None:
        self._link.set_result(link)
        try:
            await link.lost
            self._trouble = "the connection was lost"
            log.warning("connection to the session store lost, connecting again")
        finally:
            self._link = _promise()
            await link.close()

    def _note(self, error: Exception) -> None:
        """Tell the calls that wait why, if only a person can help; the next attempt may find it mended."""
        self._trouble = str(error)
        unforeseen = not isinstance(error, LinkLost | Misconfigured)
        log.warning("session store not reachable, trying again: %s", error, exc_info=unforeseen)
        if isinstance(error, Misconfigured):
            refused, self._link = self._link, _promise()
            _fail([refused], error)

    def _take(self, correlation_id: str, body: bytes, fault: SignatureFault | None) -> None:
        waiting = self._waiting.get(correlation_id)
        if waiting is None or waiting.done():
            return
        if fault is not None:  # the genuine one may still come: an answer that anybody can make ends no call
            self._refused[correlation_id] = fault
            log.warning("refused an answer by its signature: %s", fault)
            return
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if isinstance(answer, dict):
            waiting.set_result(answer)
        else:
            log.warning("passed over an answer that is no JSON object")


def _promise() -> "asyncio.Future[Link]":
    return asyncio.get_running_loop().create_future()


def _promise_of_answer() -> "asyncio.Future[Answer]":
    return asyncio.get_running_loop().create_future()


async def _first_of(answer: "asyncio.Future[Answer]", lost: "asyncio.Future[None]", seconds: float) -> None:
    both: set[asyncio.Future[object]] = {answer, lost}  # type: ignore[arg-type]
    await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _fail(promises: "Iterable[asyncio.Future[Link] | asyncio.Future[Answer]]", error: Exception) -> None:
    for promise in promises:
        if not promise.done():
            promise.set_exception(error)
            promise.exception()  # marked as looked at: perhaps nobody waits for it
