"""Connections to the broker, opened once and in bounded time; one error for each action that the caller must take."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, AuthenticationError, ProbableAuthenticationError
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed, InvalidFrameError
from yarl import URL

from ..limits import CLOSE_TIMEOUT_MS, CONNECT_TIMEOUT_MS, HEARTBEAT_SECONDS
from ..sockets import end_when_unanswered
from .address import BrokerAddress
from .errors import Misconfigured

CONNECT_SECONDS: Final = CONNECT_TIMEOUT_MS / 1000
CLOSE_SECONDS: Final = CLOSE_TIMEOUT_MS / 1000

LOST: Final = (OSError, TimeoutError, EOFError, AMQPError, RuntimeError)
REFUSED: Final = (
    AuthenticationError,
    ProbableAuthenticationError,
    ConnectionNotAllowed,
    ChannelAccessRefused,
)

ACCESS_DENIED: Final = (
    "the broker does not let us in: no such virtual host, no right to enter it, or too many connections"
)


class LinkLost(Exception):
    """The link was lost, or could not be opened; another attempt may succeed."""


@contextmanager
def broker_calls() -> Iterator[None]:
    """Raise LinkLost or Misconfigured in place of every exception of the libraries.

    aiormq may end a call with a CancelledError of its own when a channel closes. Only a cancellation that was
    requested of this task is passed on.
    """
    try:
        yield
    except REFUSED as error:
        raise Misconfigured(f"the broker refuses us: {error}") from error
    except InvalidFrameError as error:  # aiormq does not expect this refusal here, and drops its text
        raise LinkLost(ACCESS_DENIED) from error
    except LOST as error:
        raise LinkLost(f"{type(error).__name__}: {error}"[:200]) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise LinkLost("the channel was closed") from error
    except Exception as error:
        if type(error) is not Exception:  # a publication in flight ends so when we close the connection
            raise
        raise LinkLost("the connection was closed") from error


async def open_connection(address: BrokerAddress, name: str) -> AbstractConnection:
    """Return a connection to the first host of the address that answers; the broker lists it under `name`.

    Each host has an equal share of the time. Raises LinkLost, and Misconfigured where the broker refuses the login
    or a file of TLS cannot be used.
    """
    try:
        context = address.context()
    except ValueError as error:
        raise Misconfigured(f"url {error}") from error
    *others, last = address.urls
    share = CONNECT_SECONDS / len(address.urls)
    with broker_calls():
        for url in others:
            with suppress(*LOST):
                return await _connect(url, context, name, share)
        return await _connect(last, context, name, share)


class _EndsWhenUnanswered(TransportFactory):
    """Opens the stream as aiormq does, with the options of `end_when_unanswered`."""

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        inner = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        reader, writer = await inner.create(url, **options)
        end_when_unanswered(writer.transport)
        return reader, writer


class _Connection(aio_pika.Connection):
    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.kwargs["transport_factory"] = _EndsWhenUnanswered()


async def _connect(url: str, context: ssl.SSLContext | None, name: str, seconds: float) -> AbstractConnection:
    return await aio_pika.connect(
        url,
        ssl_context=context,
        timeout=seconds,
        heartbeat=HEARTBEAT_SECONDS,
        client_properties={"connection_name": name},
        connection_class=_Connection,
    )


async def close_quietly(connection: AbstractConnection) -> None:
    """Close a connection, or abandon it when the broker does not answer in time."""
    with suppress(LinkLost, Misconfigured), broker_calls():
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
