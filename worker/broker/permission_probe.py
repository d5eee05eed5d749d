"""Tries at the broker what a worker's login need not do. What is tried does no harm where it is not refused."""

import asyncio
import shlex
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from uuid import uuid4

from aiormq.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ConnectionNotAllowed, InvalidFrameError
from pamqp.commands import Basic
from yarl import URL

from contracts.access import EVENTS_VHOST, WORKER, permissions_in
from contracts.topology import REPLY_QUEUE_PREFIX, WRITE_KEY, Topology
from worker.broker.connection import FilteredConnection, broker_calls, connected, open_channel
from worker.errors import BrokerUnavailable
from worker.finding import Finding, ok, warning, wrong
from worker.settings.endpoint import AMQP_PORT, Destination

NAME: Final = "session-store doctor"
DEFAULT_USER: Final = "guest"
DEFAULT_VHOST: Final = "/"
GREETING: Final = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME: Final = b"\x01"

Try = Callable[[AbstractChannel], Awaitable[object]]


def forbidden_actions(topology: Topology) -> dict[str, Try]:
    """Return what must be refused, by what it is.

    Queues are exclusive and of nobody's name: they are gone with the connection. The event says another user's name,
    so that a broker which lets it be published refuses it for that.
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


async def examine_permissions(
    connection: FilteredConnection, topology: Topology, to: Destination, timeout: float
) -> Finding:
    """Find what the login may do and a worker need not, each tried on a channel of its own."""
    allowed = [
        name
        for name, act in forbidden_actions(topology).items()
        if not await _is_refused(connection, act, timeout)
    ]
    if allowed:
        return wrong(f"the user may {', '.join(allowed)}", confine(to, topology))
    return ok("the user may take from its queues, refuse, answer and announce, and nothing else")


async def examine_user(url: str, to: Destination, timeout: float) -> Finding:
    """Find the user that every broker comes with, and a login that enters the default virtual host."""
    if to.user == DEFAULT_USER:
        return wrong("the login is guest's, whose password everybody knows", "log in as session_store_worker")
    address = URL(url)
    if await _may_log_in(address.with_user(DEFAULT_USER).with_password(DEFAULT_USER), timeout):
        return wrong("guest may log in with the password everybody knows", "rabbitmqctl delete_user guest")
    if to.name == DEFAULT_VHOST:
        return warning(
            "the installation has no virtual host of its own",
            "rabbitmqctl import_definitions deploy/rabbitmq/installation.json  # and name it in AMQP_URL",
        )
    if await _may_enter(address.with_path("/%2F", encoded=True), timeout):
        return wrong(
            "the user may enter another virtual host, the default one",
            f"rabbitmqctl clear_permissions --vhost / {shlex.quote(to.user)}",
        )
    return ok(f"user {to.user} enters {to.name} and no other that is known")


async def examine_listeners(to: Destination, timeout: float) -> Finding:
    """Find a broker that takes connections in plain text, ours or anybody's."""
    hosts = [each.host for each in to.endpoints]
    if not to.is_encrypted:
        said = "leads to this host alone, in plain text" if not to.exposed else "is in plain text"
        mend = "listeners.tcp = none in rabbitmq.conf, and amqps:// in AMQP_URL"
        return (wrong if to.exposed else warning)(f"the connection {said}", mend)
    if plain := [host for host in hosts if await _speaks_plainly(host, timeout)]:
        said = f"{', '.join(plain)} also takes connections in plain text, at port {AMQP_PORT}"
        return warning(said, "listeners.tcp = none in rabbitmq.conf")
    return ok("TLS is in use, and nobody listens in plain text at the usual port")


def confine(to: Destination, topology: Topology) -> str:
    """Return the command that leaves the user a worker's permissions in its virtual host."""
    may = permissions_in(EVENTS_VHOST, topology)[WORKER]
    patterns = " ".join(shlex.quote(pattern) for pattern in (may.configure, may.write, may.read))
    return f"rabbitmqctl set_permissions --vhost {shlex.quote(to.name)} {shlex.quote(to.user)} {patterns}"


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


async def _may_log_in(address: URL, timeout: float) -> bool:
    """Whether the broker takes the login, though it may not let it into this virtual host."""
    try:
        async with connected(str(address), NAME, timeout):
            return True
    except BrokerUnavailable as error:
        return isinstance(error.__cause__, ConnectionNotAllowed | InvalidFrameError)


async def _may_enter(address: URL, timeout: float) -> bool:
    try:
        async with connected(str(address), NAME, timeout):
            return True
    except BrokerUnavailable:
        return False


async def _speaks_plainly(host: str, timeout: float) -> bool:
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(host, AMQP_PORT, family=socket.AF_UNSPEC)
            try:
                writer.write(GREETING)
                return await reader.read(1) == METHOD_FRAME
            finally:
                writer.close()
    except OSError:
        return False
