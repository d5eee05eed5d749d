"""After an erasure no text that people or programs can read has the player's id or data."""

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from time import time_ns

import asyncpg
import orjson
import pytest

from contracts.replies import Confirmation
from contracts.topology import ERASE_KEY, WRITE_KEY, Topology
from tests.support.broker.caller import Caller, make_session
from tests.support.broker.dead_letters import read_letters
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.replica import Replica
from tests.support.programs.watched_worker import event_body
from tests.support.servers.postgres_programs import dump_everything

PLAYER, OTHER, CANARY = "player_erased_7", "player_erased_77", "canary-3f9a"
SECRET = {"state": {"told": CANARY}}


@pytest.fixture
async def replica(start_replica: StartReplica) -> Replica:
    return await start_replica()


@pytest.fixture
async def caller(installation: Variables, replica: Replica) -> AsyncIterator[Caller]:
    caller = await Caller.connect(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"]))
    yield caller
    await caller.connection.close()


async def write_everything(caller: Caller) -> None:
    """Create sessions and dead letters of the player, and some of another player."""
    for number in range(3):
        await caller.write(make_session(f"mine{number}", PLAYER, **SECRET), 10)
    await caller.write(make_session("theirs", OTHER), 10)
    bad_time = make_session("mine3", PLAYER, **SECRET, startedAt="yesterday")
    for body in (
        event_body(WRITE_KEY, "mine3", {"revision": 10, "session": bad_time}),
        event_body(WRITE_KEY, "x", {"revision": 10, "session": make_session("x", OTHER, startedAt="no")}),
        b'{"cut off": {"playerId": "%s", "told": "%s' % (PLAYER.encode(), CANARY.encode()),
    ):
        answer = orjson.loads(await caller.send(body, WRITE_KEY))
        assert answer["outcome"] == "rejected"


async def test_nothing_of_an_erased_player_is_left_anywhere_that_can_be_read(
    installation: Variables, caller: Caller, replica: Replica
) -> None:
    await write_everything(caller)
    assert CANARY in dump_everything(installation["DATABASE_URL"])
    words = ("erase", "--player", "-", "--revision", "100", "--yes", "--json")
    done = run_command(*words, variables=installation, stdin=f"{PLAYER}\n")
    assert done.returncode == 0, done.stderr
    receipt = orjson.loads(done.stdout)
    counts = [receipt[name] for name in ("sessions", "remainingSessions", "laterSessions")]
    assert [*counts, receipt["deadLetters"], receipt["remainingDeadLetters"]] == [3, 0, 0, 2, 0]

    for session_id in ("mine0", "never-seen"):
        late = await caller.write(make_session(session_id, PLAYER, **SECRET), 90)
        assert (late["outcome"], late["revision"]) == ("superseded", None)
    again = run_command(*words, variables=installation, stdin=f"{PLAYER}\n")
    assert orjson.loads(again.stdout) == {
        **receipt, "sessions": 0, "deadLetters": 0, "erasedAt": orjson.loads(again.stdout)["erasedAt"]
    }  # fmt: skip

    await assert_only_the_other_is_left(installation, replica, done.stdout, done.stderr, again.stdout)


async def assert_only_the_other_is_left(installation: Variables, replica: Replica, *said: str) -> None:
    """Search the database, the dead letters, the log and the commands' output for the erased player."""
    topology = Topology(installation["SESSION_STORE_PREFIX"])
    letters = await read_letters(installation["AMQP_URL"], topology)
    assert [letter.session_ids for letter in letters] == [("x",)]
    kept = {
        "database": dump_everything(installation["DATABASE_URL"]),
        "dead letters": repr(letters),
        "log of the worker": repr(replica.log) + "".join(replica.said),
        "what the command said": "".join(said),
    }
    assert "theirs" in kept["database"]
    for place, text in kept.items():
        assert CANARY not in text, place
        assert PLAYER not in text.replace(OTHER, ""), place


async def test_an_event_erases_too_and_is_answered_with_the_receipt(
    installation: Variables, caller: Caller, replica: Replica
) -> None:
    await write_everything(caller)
    event = event_body(ERASE_KEY, PLAYER, {"revision": 100})
    told = orjson.loads(await caller.send(event, ERASE_KEY))
    confirmation = Confirmation.model_validate(told)
    assert (confirmation.outcome, confirmation.subject, confirmation.revision) == ("erased", PLAYER, 100)
    receipt = confirmation.receipt
    assert receipt is not None
    assert (receipt.sessions, receipt.remaining_sessions, receipt.dead_letters) == (3, 0, 2)
    assert receipt.player_digest == sha256(PLAYER.encode()).hexdigest()
    again = orjson.loads(await caller.send(event, ERASE_KEY))
    assert (again["outcome"], again["receipt"]["sessions"]) == ("erased", 0)
    late = await caller.write(make_session("mine0", PLAYER, **SECRET), 90)
    assert (late["outcome"], late["revision"]) == ("superseded", None)
    assert replica.count("player.erased") == 2
    await assert_only_the_other_is_left(installation, replica)


async def test_an_invalid_erasure_is_dead_lettered_and_costs_the_next_nothing(caller: Caller) -> None:
    refused: list[tuple[str, dict[str, object], str]] = [
        (ERASE_KEY, {"revision": 0}, "bad_revision"),
        (ERASE_KEY, {}, "bad_schema"),
        (WRITE_KEY, {"revision": 1}, "bad_schema"),
    ]
    for key, content, code in refused:
        told = orjson.loads(await caller.send(event_body(ERASE_KEY, PLAYER, content), key))
        assert (told["outcome"], told["code"], told["subject"]) == ("rejected", code, PLAYER)
    told = orjson.loads(await caller.send(event_body(ERASE_KEY, PLAYER, {"revision": 1}), ERASE_KEY))
    assert (told["outcome"], told["receipt"]["deadLetters"]) == ("erased", 3)


async def test_an_erasure_waits_for_the_database_and_is_done_then(
    installation: Variables, caller: Caller, replica: Replica
) -> None:
    await caller.write(make_session("mine", PLAYER), 10)
    connection = await asyncpg.connect(installation["DATABASE_URL"])
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("LOCK TABLE session_erasures IN ROW SHARE MODE")  # as a call that applies events
    asking = asyncio.create_task(caller.send(event_body(ERASE_KEY, PLAYER, {"revision": 100}), ERASE_KEY))
    assert (await replica.logged("erasure.retrying"))["reason"] == "lock not available"
    await transaction.rollback()
    assert orjson.loads(await asking)["receipt"]["sessions"] == 1
    await connection.close()


async def test_without_a_revision_what_is_there_goes_and_a_write_of_now_stays_out(
    installation: Variables, caller: Caller
) -> None:
    far = time_ns() // 1000 + 30_000_000  # ahead of the clock, and no further than is allowed
    await caller.write(make_session("far", PLAYER), far)
    done = run_command("erase", "--player", PLAYER, "-y", variables=installation)
    assert done.returncode == 0, done.stderr
    assert str(far) in done.stdout
    assert (await caller.write(make_session("far", PLAYER), far))["outcome"] == "superseded"
    assert (await caller.write(make_session("far", PLAYER), far + 1))["outcome"] == "stored"


def test_it_does_not_erase_without_being_sure(installation: Variables) -> None:
    refused = run_command("erase", "--player", PLAYER, variables=installation, stdin="y\n")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
