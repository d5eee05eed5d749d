"""The conformance cases against the Python client."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from contracts.client import Closed, Conflict, Rejected, SessionStore
from contracts.replies import Record
from contracts.requests import Filter, QueryOptions
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.conformance.moves import CALLS, Step, overlap
from tests.support.broker.forgeries import KEYS
from tests.support.programs.installation import Variables, shared_installation

CASES = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["off", "enforce"])
async def served(
    postgres_server: PostgresServer,
    rabbit_server: RabbitServer,
    template_database: str,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Variables]:
    """Yield the variables of an installation with a worker, which requires signatures or does not."""
    keys = KEYS if request.param == "enforce" else ""
    asked = {"SESSION_STORE_SIGNATURES": request.param, "SESSION_STORE_SIGNING_KEYS": keys}
    async with shared_installation(postgres_server, rabbit_server, template_database, asked) as variables:
        yield variables


@pytest_asyncio.fixture(loop_scope="module")
async def store(served: Variables) -> AsyncIterator[SessionStore]:
    """Yield a client of the installation."""
    url, prefix, keys = (
        served[name] for name in ("AMQP_URL", "SESSION_STORE_PREFIX", "SESSION_STORE_SIGNING_KEYS")
    )
    async with SessionStore(url, prefix=prefix, timeout=20, keys=keys) as store:
        yield store


def session_in(record: Record | None) -> dict[str, object] | None:
    """Return the session in wire form."""
    return record.session.model_dump(mode="json", by_alias=True, exclude_unset=True) if record else None


async def write(store: SessionStore, step: Step) -> None:
    expected = {word: step[word] for word in ("outcome", "conflict", "rejected", "says") if word in step}
    assert await what_came_of(store, step) == expected


async def what_came_of(store: SessionStore, step: Step) -> Step:
    """Return a write's outcome, or the error it raised, in the words of the cases."""
    try:
        written = await store.write(step["session"], expected_revision=step.get("expectedRevision"))
    except Conflict as conflict:
        return {"conflict": session_in(conflict.record)}
    except Rejected as rejected:
        says = {"says": rejected.message} if "says" in step else {}
        return {"rejected": rejected.code, **says}
    return {"outcome": written.outcome}


async def ids_of(store: SessionStore, step: Step) -> list[str]:
    """Return the ids of one page, or of all pages."""
    wanted = Filter.model_validate(step["filter"])
    options = QueryOptions.model_validate(step.get("options", {}))
    if step["call"] == "iterate":
        return [record.session.session_id async for record in store.iterate(wanted, options)]
    return [record.session.session_id for record in (await store.query(wanted, options)).records]


async def take(store: SessionStore, step: Step) -> None:
    """Make the step's call and compare the result; a closed client must raise Closed for every call."""
    if step.get("closed"):
        with pytest.raises(Closed):
            await compare(store, step)
    else:
        await compare(store, step)


async def compare(store: SessionStore, step: Step) -> None:
    match step["call"]:
        case "write":
            await write(store, step)
        case "read":
            assert session_in(await store.read(step["id"])) == step["session"]
        case "readMany":
            assert [session_in(each) for each in await store.read_many(step["ids"])] == step["sessions"]
        case "delete":
            assert (await store.delete(step["id"])).existed is step["existed"]
        case "query" | "iterate":
            assert await ids_of(store, step) == step["ids"]
        case "count":
            assert await store.count(Filter.model_validate(step["filter"])) == step["count"]
        case "stats":
            assert (await store.stats(step["playerId"])).model_dump(by_alias=True) == step["stats"]
        case "health":
            assert (await store.health()).ok is step["ok"]
        case "close":
            await store.close()
        case call if call in CALLS:
            await overlap(store, step)
        case unknown:
            raise AssertionError(f"no such call: {unknown}")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_the_python_client_conforms(store: SessionStore, case: Step) -> None:
    steps = json.loads(json.dumps(case["steps"]).replace("{run}", uuid4().hex))
    for step in steps:
        await take(store, step)


REFUSED = [step for case in CASES for step in case["steps"] if "rejected" in step]


@pytest.mark.parametrize("step", REFUSED)
async def test_a_write_nobody_waits_for_is_rejected_by_the_client_itself_in_the_same_words(
    step: Step,
) -> None:
    async with SessionStore("amqp://127.0.0.1:1", durability="queued") as store:
        await write(store, step)
