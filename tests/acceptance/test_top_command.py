"""`top`, with a worker that works and without one."""

import asyncio
import json
import os
import pty
import re
import subprocess

from contracts.client import SessionStore
from deploy.local.ports import LOOPBACK
from tests.acceptance.test_sessions_command import session_of
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.replica import PROGRAM
from worker.cli.top.figures import QUEUES, read_queues
from worker.cli.top.scrape import scrape_all

NOBODY = f"http://{LOOPBACK}:1"


async def work(variables: Variables, works: asyncio.Event) -> None:
    """Write and count until the task is cancelled."""
    url, prefix = variables["AMQP_URL"], variables["SESSION_STORE_PREFIX"]
    async with SessionStore(url, prefix=prefix, timeout=20) as store:
        while True:
            await store.write(session_of(1))
            await store.count()
            works.set()


async def until_queues_are_known(url: str) -> None:
    """Return once the worker has read the state of its queues from the broker."""
    async with asyncio.timeout(60):
        while len(read_queues(await scrape_all([url], 5))) < len(QUEUES):
            await asyncio.sleep(0.05)


def sheets_in(printed: str) -> list[list[list[str]]]:
    """Return the cells of each table, line by line."""
    parts = printed.strip().split("\n\n")
    return [[re.split(r" {2,}", line.strip()) for line in part.splitlines()] for part in parts]


async def test_one_picture_shows_who_works_and_who_is_away(
    installation: Variables, start_replica: StartReplica
) -> None:
    replica = await start_replica()
    url = f"http://{LOOPBACK}:{(await replica.logged('http.listening'))['port']}"
    works = asyncio.Event()
    working = asyncio.create_task(work(installation, works))
    await works.wait()
    await until_queues_are_known(url)
    words = ("top", "--once", "--interval", "2", "--url", url, "--url", NOBODY, "--url", f"{url}/no")
    done = await asyncio.to_thread(run_command, *words, variables=installation)
    assert not working.done()
    working.cancel()
    assert (done.returncode, done.stderr) == (0, "")
    replicas, outcomes, queues = sheets_in(done.stdout)
    figures = dict(zip(replicas[0], replicas[1], strict=True))
    assert (figures["replica"], figures["state"], figures["write pool"][-4:]) == (url, "ready", "of 2")
    for name in ("events/s", "batch", "lag s", "rpc/s", "rpc ms", "MiB"):
        assert float(figures[name]) > 0, name
    assert [row[-1] for row in replicas[2:]] == [
        "no answer: connection refused",
        "no answer: HTTP status 404",
    ]
    assert float(dict(zip(outcomes[0], outcomes[1], strict=True))["stored"]) > 0
    assert [row[0] for row in queues[1:]] == [
        "session.write",
        "session.delete",
        "session.rpc",
        "session.dead.letters",
    ]


def test_ctrl_c_ends_the_live_view_in_good_order() -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "top", "--interval", "0.1", "--url", NOBODY],
        env={"PATH": os.defpath, "TERM": "xterm", "COLUMNS": "200", "LINES": "20"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd="/",
    )
    os.close(theirs)
    seen = b""
    while b"no answer: connection refused" not in seen:
        seen += os.read(ours, 65536)
    process.send_signal(2)
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # Linux's error once the other end is closed
        pass
    os.close(ours)
    assert process.wait(20) == 0
    assert b"Traceback" not in seen


def test_a_picture_is_a_document_for_scripts() -> None:
    done = run_command("top", "--once", "--json", "--interval", "0.1", "--url", NOBODY, variables={})
    assert json.loads(done.stdout) == {"replicas": {NOBODY: "connection refused"}, "queues": []}


def test_an_address_that_is_none_is_wrong_use() -> None:
    assert run_command("top", "--once", "--url", "localhost:9464", variables={}).returncode == 2
    assert run_command("top", "--once", variables={"SESSION_STORE_HTTP_PORT": "0"}).returncode == 2


def test_without_an_address_it_shows_the_replicas_that_a_variable_names() -> None:
    also = NOBODY.replace("127.0.0.1", "localhost")
    variables = {"SESSION_STORE_REPLICAS": f" {NOBODY} {also}"}
    done = run_command("top", "--once", "--json", "--interval", "0.1", variables=variables)
    assert list(json.loads(done.stdout)["replicas"]) == [NOBODY, also]
