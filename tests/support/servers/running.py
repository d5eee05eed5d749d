"""The parts of a running server for one test: a database, or names for queues; deleted afterwards."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika

from contracts.topology import Topology
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer


def running_postgres(server: PostgresServer) -> Iterator[PostgresServer]:
    """Start the server and yield it; it is stopped afterwards."""
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")


def running_rabbit(directory: Path) -> Iterator[RabbitServer]:
    """Yield a running broker with its files in the directory; it is ended afterwards."""
    server = RabbitServer(directory)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def database_copy(server: PostgresServer, template: str | None) -> Iterator[str]:
    """Yield the URL of a new database, a copy of the template if there is one; it is dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield server.create_database(name, template)
    server.start()
    server.drop_database(name)


@asynccontextmanager
async def prefix_on(server: RabbitServer) -> AsyncIterator[str]:
    """Yield a prefix for the names of queues and exchanges on the broker; they are deleted afterwards."""
    prefix = unique_prefix()
    yield prefix
    server.start()
    await delete_topology(server.url, Topology(prefix))


def unique_prefix() -> str:
    """Return a prefix that no other test has."""
    return f"t{secrets.token_hex(4)}."


async def delete_topology(url: str, topology: Topology) -> None:
    """Delete queues and exchanges by name; the broker accepts names that do not exist."""
    connection = await aio_pika.connect(url, timeout=30)
    async with connection, connection.channel() as channel:
        for queue in topology.queues:
            await channel.queue_delete(queue.name)
        for exchange in topology.exchanges:
            await channel.exchange_delete(exchange.name)
