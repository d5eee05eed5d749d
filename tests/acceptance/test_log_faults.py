"""The real process while its log cannot be written: it starts, stores, answers and stops as usual."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Final

import pytest
from aiohttp import ClientSession

from contracts.topology import Topology
from deploy.local.ports import LOOPBACK, choose_port
from tests.support.broker.caller import Caller, make_session
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.installation import Variables
from tests.support.programs.replica import PROGRAM
from worker.observability.metrics import read_exposition

STOP_SECONDS: Final = 15
OpenStderr = Callable[[], AbstractContextManager[int]]


@contextmanager
def full_disk() -> Iterator[int]:
    """Yield a descriptor that refuses every byte."""
    descriptor = os.open("/dev/full", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


@contextmanager
def ended_reader() -> Iterator[int]:
    """Yield a pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def stopped_reader() -> Iterator[int]:
    """Yield a pipe that is full and stays so."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    yield writer
    os.close(writer)
    os.close(reader)


async def until_lines_are_dropped(port: int) -> None:
    """Return once the worker's metrics count dropped log lines."""
    async with asyncio.timeout(LONGEST_WAIT), ClientSession(f"http://{LOOPBACK}:{port}") as http:
        while True:
            async with http.get("/metrics") as answer:
                if read_exposition(await answer.text())["session_store_log_lines_dropped_total", ()]:
                    return
            await asyncio.sleep(0.1)


@pytest.mark.parametrize(
    ("open_stderr", "drops"), [(full_disk, True), (ended_reader, True), (stopped_reader, False)]
)
async def test_a_log_that_nobody_takes_stops_nothing(
    installation: Variables, open_stderr: OpenStderr, drops: bool
) -> None:
    port = choose_port()
    variables = {"PATH": os.defpath, "SESSION_STORE_HTTP_PORT": str(port), **installation}
    with open_stderr() as stderr:
        process = await asyncio.create_subprocess_exec(PROGRAM, "run", env=variables, cwd="/", stderr=stderr)
        try:
            await store_and_read(installation)
            if drops:
                await until_lines_are_dropped(port)
            process.terminate()
            async with asyncio.timeout(STOP_SECONDS):
                assert await process.wait() == 0
        finally:
            with suppress(ProcessLookupError):
                process.kill()


async def store_and_read(installation: Variables) -> None:
    """Store a session, and count it by a request."""
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    caller = await Caller.connect(installation["AMQP_URL"], topology)
    assert (await caller.write(make_session("sess_1")))["outcome"] == "stored"
    assert (await caller.call("session.count"))["count"] == 1
    await caller.connection.close()
