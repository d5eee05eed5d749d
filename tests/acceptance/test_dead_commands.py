"""`session-store dead`, as the person on duty calls it."""

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import aiormq
import orjson
import pytest
from aiormq.abc import DeliveredMessage

from contracts.topology import WRITE_KEY, Topology
from tests.support.broker.caller import Caller, make_session
from tests.support.broker.dead_letters import send_letters, take_all, until_queue_holds
from tests.support.broker.raw_amqp import UNDECODABLE, raw_publisher
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.replica import PROGRAM
from tests.support.programs.watched_worker import write_body
from worker.cli.dead.rendering import COLUMNS

INTERRUPTED: Final = 130
EVENT: Final = write_body("sess_1")


@pytest.fixture
def topology(prefix: str) -> Topology:
    return Topology(prefix)


@pytest.fixture
def broker(amqp_url: str, topology: Topology) -> Variables:
    """Return the variables of an installation whose topology is declared."""
    variables = {"AMQP_URL": amqp_url, "SESSION_STORE_PREFIX": topology.prefix}
    assert run_command("topology", variables=variables).returncode == 0
    return variables


@pytest.fixture
async def caller(installation: Variables, topology: Topology) -> AsyncIterator[Caller]:
    caller = await Caller.connect(installation["AMQP_URL"], topology)
    yield caller
    await caller.connection.close()


async def dead(*arguments: str, on: Variables) -> subprocess.CompletedProcess[str]:
    """Run a `dead` command and return the finished process."""
    return await asyncio.to_thread(run_command, "dead", *arguments, variables=on)


async def listed(*arguments: str, on: Variables) -> list[dict[str, Any]]:
    """Return the letters that `list --json` prints."""
    done = await dead("list", "--json", *arguments, on=on)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_a_replay_is_judged_by_the_order_law_and_failing_again_keeps_the_history(
    installation: Variables, start_replica: StartReplica, caller: Caller, topology: Topology
) -> None:
    await start_replica()
    async with raw_publisher(installation["AMQP_URL"]) as raw:
        for name in ("older", "healed"):
            undecodable = UNDECODABLE["correlation_id that is not UTF-8"]
            await raw.publish(topology.sessions.name, WRITE_KEY, undecodable, write_body(name, 5))
        await until_queue_holds(installation["AMQP_URL"], topology.dead_queue.name, lambda count: count == 2)
    await caller.publish(write_body("waiting", 2, 1), WRITE_KEY, reply_to="not a caller's queue")
    await caller.publish(b'{"id":', WRITE_KEY, message_id="keeps its own")
    for name, revision in (("older", 9), ("waiting", 1)):
        assert (await caller.write(make_session(name), revision))["outcome"] == "stored"
    codes = sorted(letter["code"] for letter in await listed(on=installation))
    assert codes == ["bad_json", "bad_properties", "bad_properties", "conflict"]

    done = await dead("replay", "--json", on=installation)
    assert (done.returncode, json.loads(done.stdout)["replayed"]) == (0, 4)
    assert (await caller.write(make_session("last")))["outcome"] == "stored"
    stored = await caller.call("session.readMany", {"sessionIds": ["older", "healed", "waiting"]})
    assert [record["revision"] for record in stored["records"]] == [9, 5, 2]
    (again,) = await listed(on=installation)
    assert (again["code"], again["tries"]) == ("bad_json", 2)
    shown = json.loads((await dead("show", "1", "--json", on=installation)).stdout)
    assert [failure["code"] for failure in shown["history"]] == ["bad_json"]
    assert (shown["properties"]["message_id"], shown["body"]) == ("keeps its own", '{"id":')


async def test_what_the_broker_dead_lettered_is_shown_with_its_code_and_replayed(
    installation: Variables, start_replica: StartReplica, caller: Caller, topology: Topology
) -> None:
    await caller.publish(write_body("unlucky"), WRITE_KEY, user_id="guest", reply_to="session.reply.gone")
    await refuse_for_ever(installation["AMQP_URL"], topology)
    (letter,) = await listed(
        "--code", "delivery_limit", "--since", "5m", "--queue", WRITE_KEY, on=installation
    )
    assert (letter["sessionId"], letter["queue"]) == ("unlucky", topology.write_queue.name)
    assert (await dead("replay", "--session", "unlucky", on=installation)).returncode == 0
    await start_replica()
    record = (await caller.call("session.read", {"sessionId": "unlucky", "minRevision": 1}))["record"]
    assert record["revision"] == 1
    assert await listed(on=installation) == []


async def refuse_for_ever(url: str, topology: Topology) -> None:
    """Requeue a message until the broker dead-letters it."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()

    async def refuse(message: DeliveredMessage) -> None:
        assert message.delivery_tag
        await channel.basic_reject(message.delivery_tag, requeue=True)  # RabbitMQ 4.3 does not count a nack

    await channel.basic_consume(topology.write_queue.name, refuse)
    await until_queue_holds(url, topology.dead_queue.name, lambda count: count == 1)
    await connection.close()


async def test_the_table_names_what_show_prints(broker: Variables, topology: Topology) -> None:
    await send_letters(broker["AMQP_URL"], topology, [b"[", EVENT, b"\x1b[2J"])
    done = await dead("list", on=broker)
    heading, *rows = done.stdout.splitlines()
    assert tuple(re.split("  +", heading)) == COLUMNS
    event_id = orjson.loads(EVENT)["id"]
    queue = topology.write_queue.name
    assert rows[1].split() == ["2", "2026-11-23T12:00:00Z", "bad_json", "1", queue, "sess_1", event_id, "why"]
    assert done.stderr == "session-store: listed 3 of 3 dead letters: bad_json 3\n"
    shown = await dead("show", "--id", event_id, on=broker)
    assert '        "sessionId": "sess_1",' in shown.stdout.splitlines()
    assert "\x1b" not in (await dead("show", "3", on=broker)).stdout
    for wrong, code in ((("show", "4"), 1), (("list", "--since", "soon"), 2)):
        assert (await dead(*wrong, on=broker)).returncode == code


async def test_nothing_is_discarded_without_saying_so_twice(
    broker: Variables, topology: Topology, tmp_path: Path
) -> None:
    url, queue = broker["AMQP_URL"], topology.dead_queue.name
    await send_letters(url, topology, [b"one", b"\xff", EVENT])
    refused = await dead("discard", "--session", "sess_1", on=broker)
    assert (refused.returncode, refused.stdout) == (2, "")
    for command in ("discard", "replay"):
        tried = await dead(command, "--dry-run", "--limit", "2", on=broker)
        assert len(tried.stdout.splitlines()) == 3
        assert "2 of 3 dead letters" in tried.stderr
    by_id = await dead("discard", "--id", orjson.loads(EVENT)["id"], "--json", on=broker)
    assert json.loads(by_id.stdout)["sessionId"] == "sess_1"
    saved = tmp_path / "letters.ndjson"
    done = await dead("discard", "--yes", "--save", str(saved), on=broker)
    assert done.stderr == "session-store: discarded 2 of 2 dead letters: bad_json 2\n"
    assert (saved.stat().st_mode & 0o777) == 0o600
    text, raw = map(json.loads, saved.read_text().splitlines())
    assert (text["body"], raw["bodyBase64"], raw["failedAt"]) == ("one", "/w==", "2026-11-23T12:00:00.000Z")
    assert await take_all(url, queue) == []


@pytest.mark.parametrize(("answer", "left"), [(b"y\n", []), (b"n\n", [b"one"])])
async def test_discard_asks_on_a_terminal(
    broker: Variables, topology: Topology, answer: bytes, left: Sequence[bytes]
) -> None:
    await send_letters(broker["AMQP_URL"], topology, [b"one"])
    terminal, its_end = os.openpty()
    process = await start("discard", on=broker, stdin=its_end)
    assert process.stderr
    question = await process.stderr.readuntil(b"[y/N] ")
    assert question == b"discard 1 dead letters permanently? [y/N] "
    os.write(terminal, answer)
    assert await process.wait() == (1 if left else 0)
    for end in (terminal, its_end):
        os.close(end)
    assert await take_all(broker["AMQP_URL"], topology.dead_queue.name) == left


async def test_an_interrupted_replay_counts_what_it_moved(broker: Variables, topology: Topology) -> None:
    url, bodies = broker["AMQP_URL"], [str(number).encode() for number in range(400)]
    await send_letters(url, topology, bodies)
    process = await start("replay", "--rate", "10", on=broker, stdin=subprocess.DEVNULL)
    await until_queue_holds(url, topology.write_queue.name, lambda count: count >= 3)
    process.send_signal(signal.SIGINT)
    _, said = await process.communicate()
    assert process.returncode == INTERRUPTED
    moved = await take_all(url, topology.write_queue.name)
    assert moved == bodies[: len(moved)]
    assert await take_all(url, topology.dead_queue.name) == bodies[len(moved) :]
    assert f"replayed {len(moved)} of 400 dead letters" in said.decode()


async def test_a_missing_queue_and_a_missing_broker_have_their_own_exit_codes(
    amqp_url: str, topology: Topology
) -> None:
    for url, code in ((amqp_url, 78), ("amqp://127.0.0.1:1/", 75)):
        variables = {"AMQP_URL": url, "SESSION_STORE_PREFIX": topology.prefix}
        done = await dead("replay", on=variables)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("session-store: ")


async def start(*arguments: str, on: Variables, stdin: int) -> asyncio.subprocess.Process:
    """Start a `dead` command and return its process."""
    return await asyncio.create_subprocess_exec(
        PROGRAM,
        "dead",
        *arguments,
        env={"PATH": os.environ.get("PATH", os.defpath), **on},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
