"""Plain AMQP connections: opened once, watched, never restored behind anybody's back."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import aio_pika
import aiormq
import structlog
from aiormq.abc import AbstractChannel
from aiormq.connection import TransportFactory
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from yarl import URL

from contracts.limits import HEARTBEAT_SECONDS
from contracts.sockets import end_when_unanswered
from worker.broker.frames import FilteredReader, FrameFilter
from worker.errors import BrokerRefused, BrokerUnavailable
from worker.settings.broker_address import BrokerAddress, read_broker_address
from worker.settings.certificates import reason_of_tls

log = structlog.get_logger()

CLOSE_SECONDS = 3.0
USUAL_FRAME = 131_072  # of a broker that takes any

PASSING = (OSError, TimeoutError, EOFError, aiormq.exceptions.AMQPError, RuntimeError)
"""The libraries' errors when a connection or channel is lost, or was lost a moment ago."""

IN_THE_BROKERS_WORDS = (ConnectionNotAllowed, ProbableAuthenticationError)
REFUSALS = (ConnectionNotAllowed, ProbableAuthenticationError, AuthenticationError)
"""The broker's answers to a login until a person corrects the password, the virtual host or the rights."""

LIMIT = "connection limit"
"""RabbitMQ's words for a user or a virtual host with as many connections as it may have; its code is the same."""


@contextmanager
def broker_calls() -> Iterator[None]:
    """Raise BrokerUnavailable in place of the libraries' errors.

    aiormq also ends calls in flight with a CancelledError of its own when a channel closes: only a
    CancelledError that was requested of this task is a cancellation.
    """
    try:
        yield
    except PASSING as error:
        raise BrokerUnavailable(describe(error)) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise BrokerUnavailable("the channel was closed") from error


def is_access_refused(error: Exception) -> bool:
    """Whether the cause of an error is the broker's refusal for lack of a permission."""
    return isinstance(error.__cause__, ChannelAccessRefused)


class FilteredTransport(TransportFactory):
    """Opens the TCP or TLS stream with our reader in it, and keeps its writer."""

    def __init__(self, frames: FrameFilter) -> None:
        self._frames = frames
        self.writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a connected stream whose deliveries go through the frame filter."""
        certificates = options.pop("ssl_context_provider")
        tls = await certificates.get_context() if url.scheme == "amqps" else None
        loop = asyncio.get_running_loop()
        reader = FilteredReader(self._frames)
        protocol = asyncio.StreamReaderProtocol(reader)
        host, port = url.host or "localhost", url.port or 0
        transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=tls, **options)
        end_when_unanswered(transport)
        self.writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader, self.writer


class FilteredConnection(aio_pika.Connection):
    """An aio-pika connection over `FilteredTransport`; `frames` and `blocked` are from the broker."""

    def __init__(self, url: URL, name: str, context: ssl.SSLContext | None = None) -> None:
        super().__init__(url, ssl_context=context, client_properties={"connection_name": name})
        self.name = name
        self._log = log.bind(connection=name)
        self.blocked = False
        self.frames = FrameFilter(self._set_blocked)
        self._transport = FilteredTransport(self.frames)
        self.kwargs["transport_factory"] = self._transport

    @property
    def writer(self) -> asyncio.StreamWriter:
        """The stream to the broker; each write must be whole frames. Raises BrokerUnavailable."""
        if self._transport.writer is None:
            raise BrokerUnavailable("the connection is closed")
        return self._transport.writer

    @property
    def frame_bytes(self) -> int:
        """The largest frame that the broker takes, with its head and end. Raises BrokerUnavailable."""
        if self.transport is None:
            raise BrokerUnavailable("the connection is closed")
        return self.transport.connection.connection_tune.frame_max or USUAL_FRAME

    def abort(self) -> None:
        """Cut the connection; calls in flight raise BrokerUnavailable, and `close_callbacks` are called."""
        if self._transport.writer:
            self._transport.writer.transport.abort()

    def _set_blocked(self, blocked: bool) -> None:
        self._log.warning("broker.blocked" if blocked else "broker.unblocked")
        self.blocked = blocked


async def open_connection(url: str, name: str, timeout: float) -> FilteredConnection:
    """Return an open connection that the broker lists under `name`, to the first of the URL's hosts that answers.

    Raises BrokerUnavailable when none can be opened within `timeout` seconds, of which each host has a share;
    BrokerRefused where the broker refuses the login.
    """
    return await open_address(read_broker_address(url), name, timeout)


async def open_address(address: BrokerAddress, name: str, timeout: float) -> FilteredConnection:
    """Return an open connection to an address; as `open_connection`.

    A failure has a note for the caller of the command: the broker and the user.
    """
    try:
        context = address.context()
    except ValueError as error:  # a file has gone since the start
        raise BrokerUnavailable(str(error)) from error
    failures = []
    for endpoint, url in zip(address.endpoints, address.urls(), strict=True):
        try:
            return await _open(url, context, name, timeout / len(address.endpoints))
        except BrokerUnavailable as error:
            error.add_note(f"RabbitMQ at {endpoint}, virtual host {address.vhost}, user {address.user}")
            failures.append(error)
    raise next((error for error in failures if isinstance(error, BrokerRefused)), failures[-1])


async def _open(url: str, context: ssl.SSLContext | None, name: str, timeout: float) -> FilteredConnection:
    connection = FilteredConnection(URL(url).update_query(heartbeat=HEARTBEAT_SECONDS), name, context)
    try:
        with broker_calls():
            await _enter(connection, timeout)
    except BrokerUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, REFUSALS) and LIMIT not in str(cause):
            raise BrokerRefused(str(error)) from cause
        raise
    return connection


async def _enter(connection: FilteredConnection, timeout: float) -> None:
    try:
        await connection.connect(timeout=timeout)
    except InvalidFrameError as error:  # aiormq takes the broker's refusal for a frame out of turn
        raise ConnectionNotAllowed(connection.frames.close_reason) from error


async def open_channel(connection: aio_pika.Connection, *, confirms: bool, timeout: float) -> AbstractChannel:
    """Return an open channel; with `confirms` publishing waits for the broker and an unroutable message raises."""
    if connection.transport is None:
        raise BrokerUnavailable("the connection is closed")
    with broker_calls():
        return await connection.transport.connection.channel(
            publisher_confirms=confirms, on_return_raises=confirms, timeout=timeout
        )


async def close_quietly(it: aio_pika.Connection | AbstractChannel) -> None:
    """Leave the connection or channel closed, or abandoned when the broker does not answer in time."""
    with suppress(BrokerUnavailable), broker_calls():
        async with asyncio.timeout(CLOSE_SECONDS):
            await it.close()


@asynccontextmanager
async def connected(url: str, name: str, timeout: float) -> AsyncIterator[FilteredConnection]:
    """Yield an open connection and leave it closed; raises as `open_connection` does."""
    connection = await open_connection(url, name, timeout)
    try:
        yield connection
    finally:
        await close_quietly(connection)


def describe(error: BaseException) -> str:
    """Return a short reason for people, without addresses' credentials."""
    if isinstance(error, ssl.SSLError):
        return reason_of_tls(error)
    text = str(error) or type(error).__name__
    if isinstance(error, IN_THE_BROKERS_WORDS):
        return text[:200]
    return f"{type(error).__name__}: {text}"[:200]
