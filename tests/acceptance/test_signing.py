"""Signed messages for the person who runs the workers: commands, dead letters, and the rotation of keys."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.client import ReplyUnverified, SessionStore, SignatureRefused
from contracts.topology import WRITE_KEY, Topology
from deploy.local.instance import PROJECT
from tests.support.broker.caller import Caller, make_session
from tests.support.broker.dead_letters import until_queue_holds
from tests.support.broker.forgeries import KEYS
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables
from tests.support.programs.replica import Replica
from tests.support.programs.watched_worker import write_body
from tests.support.selection import long

SAMPLES: Final = PROJECT / "samples" / "file-storage" / "sessions"
FIRST: Final = "k1:f0e1d2c3b4a5968778695a4b3c2d1e0f"
SECOND: Final = "k2:0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SECRETS: Final = [key.partition(":")[2] for key in KEYS.split()]
EXIT_CONFIGURATION: Final = 78


@pytest.fixture
def enforcing(installation: Variables) -> Variables:
    """Return the variables of an installation whose workers trust only its keys."""
    signing = {"SESSION_STORE_SIGNATURES": "enforce", "SESSION_STORE_SIGNING_KEYS": KEYS}
    installation.update(signing)
    return installation


def client(variables: Variables, keys: str, timeout: float = 20) -> SessionStore:
    url, prefix = variables["AMQP_URL"], variables["SESSION_STORE_PREFIX"]
    return SessionStore(url, prefix=prefix, timeout=timeout, keys=keys)


async def run(*words: str, on: Variables, status: int = 0) -> str:
    """Return the output of a command: its errors where the status is not 0."""
    done = await asyncio.to_thread(run_command, *words, variables=on)
    assert done.returncode == status, done.stderr
    assert not [secret for secret in SECRETS if secret in done.stdout + done.stderr]
    return done.stdout if status == 0 else done.stderr


async def test_every_command_that_asks_a_worker_signs_and_verifies(
    enforcing: Variables, start_replica: StartReplica
) -> None:
    worker = await start_replica()
    imported = ("import", "--source", str(SAMPLES), "--via", "queue", "--json")
    done = await asyncio.to_thread(run_command, *imported, variables=enforcing)
    assert json.loads(done.stdout)["imported"] == 83
    assert json.loads(await run("stats", "--json", on=enforcing))["totalSessions"] == 83
    assert json.loads(await run("sessions", "count", "--json", on=enforcing)) == {"count": 83}
    await run("health", on=enforcing)
    findings = json.loads(await run("doctor", "--json", on=enforcing))
    found = {finding["check"]: finding for finding in findings}
    assert found["settings.signatures"]["message"] == "enforced; signs with k2, accepts k2, k1"
    assert found["workers.answer"]["state"] == "ok"
    shown = str(worker.log) + " ".join(worker.said) + command_line_of(worker)
    assert not [secret for secret in SECRETS if secret in shown]


def command_line_of(worker: Replica) -> str:
    """Return the command line of a worker, as the list of processes shows it."""
    return Path(f"/proc/{worker.pid}/cmdline").read_text()


async def test_commands_without_the_keys_say_that_they_are_not_trusted(
    enforcing: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    for keys in ({}, {"SESSION_STORE_SIGNING_KEYS": f"k2:{'0f' * 16}"}):
        kept = {name: value for name, value in enforcing.items() if "SIGN" not in name}
        said = await run("health", "--timeout", "2", on={**kept, **keys}, status=EXIT_CONFIGURATION)
        assert "sign" in said
        found = await asyncio.to_thread(
            run_command, "doctor", "--json", "--timeout", "2", variables={**kept, **keys}
        )
        answer = next(each for each in json.loads(found.stdout) if each["check"] == "workers.answer")
        assert (answer["state"], "SESSION_STORE_SIGNING_KEYS" in answer["fix"]) == ("error", True)


async def test_the_settings_are_printed_with_the_ids_of_the_keys(enforcing: Variables) -> None:
    shown = json.loads(await run("config", "--json", on=enforcing))
    assert shown["SESSION_STORE_SIGNING_KEYS"]["value"] == "k2:*** k1:***"


async def codes(on: Variables) -> list[str]:
    """Return the codes of the dead letters."""
    listed = await run("dead", "list", "--json", on=on)
    return [json.loads(line)["code"] for line in listed.splitlines()]


async def until_dead(variables: Variables, count: int) -> None:
    queue = Topology(variables["SESSION_STORE_PREFIX"]).dead_queue.name
    await until_queue_holds(variables["AMQP_URL"], queue, lambda found: found == count)


async def publish(variables: Variables, keys: str, *bodies: bytes, **properties: Any) -> None:
    caller = await Caller.connect(variables["AMQP_URL"], Topology(variables["SESSION_STORE_PREFIX"]), keys)
    for body in bodies:
        await caller.publish(body, WRITE_KEY, delivery_mode=2, **properties)
    await caller.connection.close()


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param({}, marks=long("the same letter without its publisher's queue, which signs less")),
        {"reply_to": "not a caller's queue", "correlation_id": "c-1"},
    ],
    ids=["told", "asked"],
)
async def test_a_signature_outlives_the_dead_letter_queue_and_every_replay(
    enforcing: Variables, start_replica: StartReplica, asked: dict[str, str]
) -> None:
    await start_replica()
    await publish(enforcing, FIRST, write_body("waiting", 2, 1), **asked)
    for _ in range(2):
        await until_dead(enforcing, 1)
        assert await codes(enforcing) == ["conflict"]  # and not bad_signature
        await run("dead", "replay", on=enforcing)
    await until_dead(enforcing, 1)
    async with client(enforcing, KEYS) as store:
        await store.write(make_session("waiting"), revision=1)
        await run("dead", "replay", on=enforcing)
        record = await store.read("waiting", min_revision=2)
    assert record is not None
    assert await codes(enforcing) == []


async def test_an_unsigned_letter_is_refused_again_unless_a_person_signs_it(
    enforcing: Variables, start_replica: StartReplica
) -> None:
    await start_replica()
    await publish(enforcing, "", write_body("unsigned", 2))
    await until_dead(enforcing, 1)
    await run("dead", "replay", on=enforcing)
    await until_dead(enforcing, 1)
    assert await codes(enforcing) == ["bad_signature"]
    kept = {name: value for name, value in enforcing.items() if "SIGN" not in name}
    assert "--sign" in await run("dead", "replay", "--sign", on=kept, status=2)
    await run("dead", "replay", "--sign", on=enforcing)
    async with client(enforcing, KEYS) as store:
        record = await store.read("unsigned", min_revision=2)
    assert record is not None
    assert await codes(enforcing) == []


async def test_an_event_that_expired_is_stored_by_a_replay_if_its_signature_holds(
    enforcing: Variables, start_replica: StartReplica
) -> None:
    await publish(enforcing, FIRST, write_body("signed", 2), expiration=1)
    await publish(enforcing, "", write_body("unsigned", 2), expiration=1)
    await until_dead(enforcing, 2)
    assert await codes(enforcing) == ["expired", "expired"]
    await start_replica()
    await run("dead", "replay", on=enforcing)
    await until_dead(enforcing, 1)
    (letter,) = map(json.loads, (await run("dead", "list", "--json", on=enforcing)).splitlines())
    assert (letter["code"], letter["sessionId"], letter["tries"]) == ("bad_signature", "unsigned", 2)
    await run("dead", "replay", "--sign", "--session", "unsigned", on=enforcing)
    async with client(enforcing, KEYS) as store:
        records = [await store.read(name, min_revision=2) for name in ("signed", "unsigned")]
    assert all(records)
    assert await codes(enforcing) == []


@long("a worker looks at its keys every 10 s; unit tests have them read again by each change")
async def test_keys_are_rotated_without_a_restart_and_without_a_refusal(
    installation: Variables, tmp_path: Path
) -> None:
    keys = tmp_path / "SESSION_STORE_SIGNING_KEYS"
    keys.write_text(FIRST)
    variables = {"SESSION_STORE_SIGNATURES": "enforce", "SESSION_STORE_SECRETS_DIR": str(tmp_path)}
    worker = await Replica.start({**installation, **variables})
    try:
        await worker.logged("broker.connected")
        await write_with(installation, [FIRST])
        keys.write_text(f"{FIRST}\n{SECOND}\n")  # workers know the new key
        await write_with(installation, [f"{FIRST} {SECOND}", f"{SECOND} {FIRST}"])  # engines change to it
        keys.write_text(f"{SECOND}\n{FIRST}\n")  # workers sign with it
        await write_with(installation, [f"{SECOND} {FIRST}"])
        keys.write_text(SECOND)  # the old key is removed
        await write_with(installation, [SECOND])  # waits for the worker to sign with it, 10 s at most
        await until_refused(installation, FIRST)
        assert not [secret for secret in SECRETS if secret in str(worker.log)]
    finally:
        await worker.kill()


async def write_with(variables: Variables, keyrings: Sequence[str]) -> None:
    """Write and read with a client for each of these keyrings."""
    for keys in keyrings:
        async with client(variables, keys) as store:
            await store.write(make_session("sess"))
            assert await store.read("sess")


async def until_refused(variables: Variables, keys: str) -> None:
    """Return once a worker no longer trusts these keys; it reads its keys every 10 s."""
    async with asyncio.timeout(40):
        while True:
            try:
                async with client(variables, keys, timeout=1) as store:
                    await store.read("sess")
            except (SignatureRefused, ReplyUnverified):
                return
