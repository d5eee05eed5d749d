"""The main job of the real process: sample events in, the expected sessions out."""

import asyncio
import random
from collections import Counter

import asyncpg
import orjson

from contracts.topology import Topology
from deploy.demo.engine import Engine, Json
from deploy.demo.verdict import SAMPLES, Expected, compare
from tests.support.programs.installation import StartReplica, Variables
from tests.support.selection import long

LINES = (SAMPLES / "events.ndjson").read_bytes().splitlines()


async def publish_all(engine: Engine, lines: list[bytes]) -> list[Json]:
    """Publish events, fifty at a time, and return their confirmations."""
    places = asyncio.Semaphore(50)

    async def publish(line: bytes) -> Json:
        async with places:
            return await engine.publish(line, orjson.loads(line)["type"])

    return list(await asyncio.gather(*(publish(line) for line in lines)))


async def differences(engine: Engine) -> tuple[str, ...]:
    """Return the differences between the stored state and the expected state of the samples."""
    expected = Expected.load()
    letters = await engine.read_dead_letters()
    codes = {str(orjson.loads(letter.body)["id"]): str(letter.headers["x-code"]) for letter in letters}
    records: dict[str, Json | None] = {}
    for session_id in (*expected.sessions, *expected.deleted):
        record = (await engine.call("session.read", sessionId=session_id))["record"]
        records[session_id] = record if isinstance(record, dict) else None
    return compare(expected, records, codes).differences


async def test_the_samples_leave_what_is_expected_and_every_event_has_an_outcome(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        outcomes = Counter(str(answer["outcome"]) for answer in await publish_all(engine, LINES))
        assert outcomes.total() == len(LINES)
        assert outcomes["rejected"] == 10
        assert "conflict" not in outcomes
        assert await differences(engine) == ()


async def test_dead_letters_keep_body_and_properties_and_say_why(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    bad = b'{"specversion":"1.0"}'
    async with Engine(installation["AMQP_URL"], topology) as engine:
        assert (await engine.publish(bad, "session.write"))["code"] == "bad_schema"
        (letter,) = await engine.read_dead_letters()
        assert letter.body == bad
        assert letter.content_type == "application/cloudevents+json"
        assert letter.headers["x-code"] == "bad_schema"
        assert letter.headers["x-origin-queue"] == topology.write_queue.name
        assert {"x-message", "x-failed-at"} <= set(letter.headers)
        assert letter.routing_key == "session.write"


@long("all samples three times")
async def test_three_replicas_make_the_same_of_shuffled_and_repeated_events(
    installation: Variables, start_replica: StartReplica
) -> None:
    await asyncio.gather(*(start_replica() for _ in range(3)))
    good = [line for line in LINES if orjson.loads(line)["id"] not in Expected.load().dead_letters]
    events = [*LINES, *good, *good]
    random.Random(7).shuffle(events)
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        await publish_all(engine, events)
        assert await differences(engine) == ()


async def test_a_confirmed_write_is_in_the_database_when_it_is_confirmed(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    writes = [line for line in LINES if orjson.loads(line)["type"] == "session.write"][1:40]
    database = await asyncpg.connect(installation["DATABASE_URL"])
    async with Engine(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])) as engine:
        for line in writes:
            answer = await engine.publish(line, "session.write")
            if answer["outcome"] == "stored":
                found = "SELECT revision FROM sessions WHERE session_id = $1"
                assert await database.fetchval(found, answer["subject"]) == answer["revision"]
    await database.close()
