"""Tries actions that a worker's login should not be allowed. An action that the broker allows does no harm."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import uuid4

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed, InvalidFrameError
from pamqp.commands import Basic

from contracts.topology import REPLY_QUEUE_PREFIX, WRITE_KEY, Topology
from contracts.urls import AMQP_PORTS
from worker.broker.connection import (
    FilteredConnection,
    broker_calls,
    close_quietly,
    open_address,
    open_channel,
)
from worker.errors import BrokerUnavailable
from worker.settings.broker_address import BrokerAddress

NAME: Final = "session-store doctor"
DEFAULT_USER: Final = "guest"
DEFAULT_VHOST: Final = "/"
GREETING: Final = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME: Final = b"\x01"

Try = Callable[[AbstractChannel], Awaitable[object]]


def forbidden_actions(topology: Topology) -> dict[str, Try]:
    """Return the actions that the broker must refuse, by a description.

    Queues are exclusive and have a random name, so they end with the connection. The event carries another user's
    name: a broker that allows the user to publish refuses the event for that name.
    """
    mine = f"session.doctor.{uuid4().hex}"
    impostor = Basic.Properties(user_id=f"not-{mine}")
    return {
        "declare a queue": lambda channel: channel.queue_declare(mine, exclusive=True, auto_delete=True),
        "declare a queue for answers": lambda channel: channel.queue_declare(
            REPLY_QUEUE_PREFIX + mine, exclusive=True, auto_delete=True
        ),
        "read answers": lambda channel: channel.basic_get(REPLY_QUEUE_PREFIX + mine),
        "declare an exchange": lambda channel: channel.exchange_declare(
            topology.sessions.name, exchange_type="topic", durable=True
        ),
        "publish an event": lambda channel: channel.basic_publish(
            b"", exchange=topology.sessions.name, routing_key=WRITE_KEY, properties=impostor
        ),
    }


async def allowed_actions(connection: FilteredConnection, topology: Topology, timeout: float) -> list[str]:
    """Return which of the forbidden actions the broker allows; each is tried on a channel of its own."""
    return [
        name
        for name, act in forbidden_actions(topology).items()
        if not await _is_refused(connection, act, timeout)
    ]


async def default_user_may_log_in(address: BrokerAddress, timeout: float) -> bool:
    """Whether the broker at this address accepts its default user, though perhaps not in this virtual host."""
    parts = replace(address.parts, user=DEFAULT_USER, password=DEFAULT_USER)
    try:
        await _log_in(replace(address, parts=parts), timeout)
    except BrokerUnavailable as error:
        return isinstance(error.__cause__, ConnectionNotAllowed | InvalidFrameError)
    return True


async def may_enter_default_vhost(address: BrokerAddress, timeout: float) -> bool:
    """Whether the login of this address may enter the default virtual host."""
    try:
        await _log_in(replace(address, parts=replace(address.parts, path=DEFAULT_VHOST)), timeout)
    except BrokerUnavailable:
        return False
    return True


async def _log_in(address: BrokerAddress, timeout: float) -> None:
    await close_quietly(await open_address(address, NAME, timeout))


async def plaintext_listeners(hosts: Sequence[str], timeout: float) -> list[str]:
    """Return the hosts that answer AMQP without TLS at the usual port."""
    return [host for host in hosts if await _answers_plaintext(host, timeout)]


async def _is_refused(connection: FilteredConnection, act: Try, timeout: float) -> bool:
    channel = await open_channel(connection, confirms=True, timeout=timeout)
    try:
        with broker_calls():
            async with asyncio.timeout(timeout):
                await act(channel)
    except BrokerUnavailable as error:
        return isinstance(error.__cause__, ChannelAccessRefused)
    with suppress(BrokerUnavailable), broker_calls():
        await channel.close()
    return False


async def _answers_plaintext(host: str, timeout: float) -> bool:
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, AMQP_PORTS["amqp"], family=socket.AF_UNSPEC)
            try:
                writer.write(GREETING)
                return await reader.read(1) == METHOD_FRAME
            finally:
                writer.close()
    except OSError:
        return False
