"""The tests look for a recognisable secret in everything that a worker shows, writes or leaves behind."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import orjson
import pytest
import pytest_asyncio

from contracts.access import EVENTS_VHOST, WORKER
from contracts.topology import WRITE_KEY
from tests.escapes.attempt import Attempt
from tests.escapes.conversation import Conversation, conversation
from tests.escapes.walls import TOPOLOGY, Walls
from tests.support.broker.caller import Failed, make_event, make_session
from tests.support.programs.command import run_command
from tests.support.programs.replica import Replica
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.queue import open_dead_letters
from worker.settings.loading import load

pytestmark = pytest.mark.asyncio(loop_scope="module")

KICK_OUT: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'session_store_worker'"
)
PLACES: Final = {
    "the command line (/proc/<pid>/cmdline)": "host",
    "the environment (/proc/<pid>/environ), with secrets in files": "host",
    "a core file": "host",
    "the log": "worker",
    "/metrics": "worker",
    "the status page": "worker",
    "/readyz and /livez": "worker",
    "`session-store config`, `doctor` and `topology --check`": "worker",
    "answers to events and requests, errors too": "worker",
    "dead letters": "worker",
    "the settings' `repr`": "worker",
}
CANARY_ATTEMPTS: Final = tuple(
    Attempt(f"canary-{number}", f"find a login's password in {place}", by, "not there")  # type: ignore[arg-type]
    for number, (place, by) in enumerate(PLACES.items(), 1)
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talk(walls: Walls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Conversation]:
    """Yield workers after load and after every kind of trouble with their logins."""
    async with conversation(walls, tmp_path_factory.mktemp("canary")) as talk:
        await under_load(talk)
        await without_a_database(talk)
        await without_a_broker(talk)
        yield talk


async def under_load(talk: Conversation) -> None:
    """Have events stored and refused, and requests answered with results and errors."""
    for number in range(50):
        session = make_session(f"sess_canary_{number}", "canary")
        body = orjson.dumps({"revision": 7, "session": session})
        await talk.engine.send(make_event(WRITE_KEY, session["sessionId"], body), WRITE_KEY)
        await talk.engine.send(make_event(WRITE_KEY, "other", body), WRITE_KEY)  # refused: another subject


async def without_a_database(talk: Conversation) -> None:
    """Change the database's password and end its connections; change it back once the worker was refused."""
    walls = talk.walls
    seen = talk.events.mark()
    walls.postgres.psql(f"ALTER ROLE {WORKER} PASSWORD 'another'")
    walls.postgres.psql(KICK_OUT)
    session = make_session("sess_waits", "canary")
    body = make_event(WRITE_KEY, "sess_waits", orjson.dumps({"revision": 7, "session": session}))
    answer = asyncio.create_task(talk.engine.send(body, WRITE_KEY))
    await talk.events.logged("storage.unavailable", since=seen)
    with pytest.raises(Failed, match="database"):
        await talk.engine.call("session.stats")
    walls.postgres.psql(f"ALTER ROLE {WORKER} PASSWORD '{walls.passwords[WORKER]}'")
    assert orjson.loads(await answer)["outcome"] == "stored"


async def without_a_broker(talk: Conversation) -> None:
    """Change the broker's password and end its connections; change it back once the worker was refused."""
    walls, seen = talk.walls, talk.events.mark()
    walls.rabbit.ctl("change_password", WORKER, "another")
    walls.rabbit.ctl("close_all_user_connections", WORKER, "over")
    await talk.events.logged("broker.unavailable", since=seen)
    seen = talk.events.mark()
    walls.rabbit.ctl("change_password", WORKER, walls.passwords[WORKER])
    await talk.events.logged("broker.connected", since=seen)


def shown_of(replica: Replica, name: str) -> bytes:
    """Return a file of a worker's process under /proc."""
    return Path(f"/proc/{replica.pid}/{name}").read_bytes()


def canary(talk: Conversation) -> str:
    return talk.walls.passwords[WORKER]


async def test_the_canary_would_be_found(talk: Conversation) -> None:
    for name in ("DATABASE_URL", "AMQP_URL"):
        assert canary(talk) in (talk.directory / name).read_text(encoding="utf-8")


async def test_no_process_shows_it(talk: Conversation) -> None:
    for replica in (talk.events, talk.requests):
        for name in ("cmdline", "environ"):
            shown = shown_of(replica, name)
            assert shown
            assert canary(talk).encode() not in shown, name


async def test_a_crash_leaves_no_core_file(talk: Conversation) -> None:
    limits = shown_of(talk.events, "limits").decode()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


async def test_no_log_holds_it(talk: Conversation) -> None:
    for replica in (talk.events, talk.requests):
        assert len(replica.log) > 1
        assert canary(talk) not in json.dumps(replica.log) + "".join(replica.said)


@pytest.mark.parametrize("path", ["/metrics", "/", "/readyz", "/livez", "/nothing"])
async def test_no_page_shows_it(talk: Conversation, path: str) -> None:
    shown = await talk.page(path)
    assert shown
    assert canary(talk) not in shown


@pytest.mark.parametrize(
    "words", ["config", "config --json", "doctor --security", "topology --check", "migrate --status"]
)
async def test_no_command_prints_it(talk: Conversation, words: str) -> None:
    secrets = {"SESSION_STORE_SECRETS_DIR": str(talk.directory)}
    done = await asyncio.to_thread(run_command, *words.split(), variables=secrets)
    assert done.stdout
    assert canary(talk) not in done.stdout + done.stderr


async def test_no_answer_tells_it(talk: Conversation) -> None:
    with pytest.raises(Failed) as failed:
        await talk.caller.call("session.query", {"filter": {"playerId": 7}})
    told = [str(failed.value), failed.value.details, await talk.caller.call("health.check")]
    told.append(await talk.caller.query({"playerId": "canary"}))
    assert canary(talk) not in json.dumps(told)


async def test_no_dead_letter_carries_it(talk: Conversation) -> None:
    found = 0
    async with open_dead_letters(talk.walls.amqp_url(WORKER, EVENTS_VHOST), TOPOLOGY) as dead:
        async for chosen in dead.choose(DeadLetterFilter()):
            found += len(chosen.dead_letters)
            assert canary(talk) not in repr(chosen.dead_letters)
            assert canary(talk).encode() not in b"".join(
                letter.delivery.body for letter in chosen.dead_letters
            )
    assert found >= 50


async def test_no_repr_of_the_settings_has_it(talk: Conversation) -> None:
    loaded = load({"database_url": talk.walls.database_url(), "amqp_url": talk.walls.amqp_url(WORKER)})
    assert canary(talk) in loaded.settings.amqp_url.get_secret_value()
    assert (
        canary(talk) not in repr(loaded.settings) + str(loaded.settings) + loaded.settings.model_dump_json()
    )


async def test_a_secret_in_the_environment_is_seen_there_and_nowhere_else(talk: Conversation) -> None:
    """Start a worker with its URLs in variables: the process's user and root can see them."""
    urls = {"DATABASE_URL": talk.walls.database_url(), "AMQP_URL": talk.walls.amqp_url(WORKER)}
    replica = await Replica.start(urls)
    await replica.logged("broker.connected")
    try:
        assert canary(talk).encode() in shown_of(replica, "environ")
        assert canary(talk).encode() not in shown_of(replica, "cmdline")
    finally:
        assert await replica.stop() == 0
    assert canary(talk) not in json.dumps(replica.log) + "".join(replica.said)
