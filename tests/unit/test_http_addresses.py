"""The addresses of probes and metrics: also IPv6 alone, and reachable despite too many connections."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import yaml

from deploy.local.instance import PROJECT
from deploy.local.ports import choose_port
from worker.observability.health import Health
from worker.observability.history import History
from worker.observability.http.server import MAX_CONNECTIONS, listening
from worker.observability.log_dedup import Deduplicator
from worker.observability.metrics import Metrics
from worker.observability.worker_view import WorkerView

QUESTION = b"GET /livez HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def served(host: str) -> AsyncIterator[int]:
    """Yield the port at which the pages are served."""
    port = choose_port()
    view = WorkerView(Metrics("1.2.3"), Health(), History(), Deduplicator())
    async with listening(view, host, port):
        await asyncio.sleep(0)
        yield port


async def ask(address: str, port: int) -> bytes:
    """Return the first line of the answer, waiting for the server to listen."""
    while True:
        try:
            reader, writer = await asyncio.open_connection(address, port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
        else:
            break
    writer.write(QUESTION)
    line = await reader.readline()
    writer.close()
    return line


def addresses() -> Sequence[str]:
    """Return the loopback addresses that this machine has."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "::1"]


@pytest.mark.parametrize("address", addresses())
async def test_an_empty_host_is_every_address_of_both_families(address: str) -> None:
    async with served("") as port, asyncio.timeout(10):
        assert await ask(address, port) == b"HTTP/1.1 200 OK\r\n"


def test_a_pod_answers_probes_of_both_families() -> None:
    text = (PROJECT / "deploy" / "kubernetes" / "base" / "deployment.yaml").read_text()
    (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
    hosts = [each["value"] for each in container["env"] if each["name"] == "SESSION_STORE_HTTP_HOST"]
    assert hosts == [""]


async def test_connections_that_ask_nothing_keep_no_probe_out_and_no_file_from_the_worker() -> None:
    async with served("127.0.0.1") as port, asyncio.timeout(30):
        await ask("127.0.0.1", port)
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS + 20)]
        ended = [reader for reader, _ in idle if await _is_ended(reader)]
        assert len(ended) == 20
        assert ended == [reader for reader, _ in idle[:20]], "the oldest make room"
        assert await ask("127.0.0.1", port) == b"HTTP/1.1 200 OK\r\n"
        for _, writer in idle:
            writer.close()


async def _is_ended(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.05):
            return await reader.read(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
