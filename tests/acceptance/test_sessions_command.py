import asyncio
import json

from contracts.client import SessionStore
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables


def session_of(number: int, **changed: object) -> dict[str, object]:
    return {
        "sessionId": f"sess_{number}",
        "playerId": "player_7",
        "encounter": {"difficulty": "hard"},
        "state": {},
        "startedAt": f"2025-11-07T10:3{number}:00.000Z",
        **changed,
    }


async def test_a_person_reads_what_an_engine_stored(
    installation: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    async with SessionStore(
        installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=20
    ) as store:
        await store.write(session_of(1, note="kept"))
        await store.write(session_of(2, completedAt="2025-11-07T11:00:00.000Z"))

    async def say(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(run_command, *words, variables=installation)
        return done.returncode, done.stdout

    status, printed = await say("sessions", "get", "sess_1")
    assert (status, json.loads(printed)["session"]) == (0, session_of(1, note="kept"))
    assert (await say("sessions", "get", "sess_9"))[0] == 1
    status, printed = await say("sessions", "query", "--player", "player_7", "--order", "asc")
    assert [line.split()[0] for line in printed.splitlines()] == ["session", "sess_1", "sess_2"]
    status, printed = await say("sessions", "query", "--completed", "--json")
    assert [record["session"]["sessionId"] for record in json.loads(printed)] == ["sess_2"]
    assert await say("sessions", "count", "--active") == (0, "1\n")
    status, printed = await say("stats", "--json")
    assert (status, json.loads(printed)["totalSessions"]) == (0, 2)
    status, printed = await say("health")
    assert (status, "database" in printed) == (0, True)


def test_nobody_who_answers_is_to_be_tried_again_later(installation: Variables) -> None:
    for words in (("health",), ("sessions", "count"), ("stats",)):
        done = run_command(*words, "--timeout", "0.5", variables=installation)
        assert done.returncode == 75, done.stderr
        assert "no answer to" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_question_that_breaks_a_rule_is_wrong_use(installation: Variables) -> None:
    done = run_command("sessions", "get", "", variables=installation)
    assert done.returncode == 2, done.stderr
    assert "1 to 255 characters" in done.stderr
