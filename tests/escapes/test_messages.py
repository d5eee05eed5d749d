"""Harmful messages have no effect: an allowed login sends each to a worker with restricted logins."""

from collections.abc import AsyncIterator
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from contracts.access import EVENTS_VHOST, RPC_VHOST
from contracts.topology import WRITE_KEY
from tests.escapes.attempt import Attempt
from tests.escapes.conversation import Conversation, conversation
from tests.escapes.message_attempts import (
    CONTROL,
    DROP,
    EVENT_ATTEMPTS,
    FORMAT,
    REQUEST_ATTEMPTS,
    EventAttempt,
    RequestAttempt,
)
from tests.escapes.walls import TOPOLOGY, Walls
from tests.support.broker.caller import Failed, make_event, make_session
from tests.support.selection import long

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORED = (
    Attempt("text-sql", "engine: SQL in every field", "database", "a parameter, stored as it is"),
    Attempt("text-format", "engine: format strings in every field", "worker", "a text, stored as it is"),
)
CURSOR = Attempt(
    "request-cursor-forged",
    "caller: change a cursor, or use it for another question",
    "worker",
    "invalid_params",
)
ELSEWHERE = Attempt(
    "request-reply-to", "caller: have the answer put into another queue", "worker", "not served"
)
LOG = Attempt("log-forged", "engine: forge a line of the log, or write to a terminal", "worker", "escaped")
LABEL = Attempt("metric-forged", "caller: forge a metric by a header or a method", "worker", "no such label")
HEADERS = Attempt("headers", "engine: headers, times and priorities of any kind", "worker", "ignored")
OTHER_ATTEMPTS = (*STORED, CURSOR, ELSEWHERE, LOG, LABEL, HEADERS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def talk(walls: Walls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Conversation]:
    async with conversation(walls, tmp_path_factory.mktemp("secrets")) as talk:
        yield talk


@pytest.mark.parametrize("attempt", EVENT_ATTEMPTS, ids=str)
async def test_an_event_that_tries_something_is_refused_with_a_code(
    talk: Conversation, attempt: EventAttempt
) -> None:
    before = await talk.database.fetchval("SELECT count(*) FROM session_ledger")
    content = attempt.content or attempt.body()
    body = (
        content if attempt.encoding else make_event(WRITE_KEY, attempt.subject or attempt.session_id, content)
    )
    answer = orjson.loads(await talk.engine.send(body, WRITE_KEY, content_encoding=attempt.encoding))
    assert (answer["outcome"], answer["code"]) == ("rejected", attempt.answer)
    assert await talk.database.fetchval("SELECT count(*) FROM session_ledger") == before


@pytest.mark.parametrize("attempt", REQUEST_ATTEMPTS, ids=str)
async def test_a_request_that_tries_something_is_answered_with_an_error(
    talk: Conversation, attempt: RequestAttempt
) -> None:
    with pytest.raises(Failed) as failed:
        await talk.caller.call(attempt.method, attempt.params)
    assert failed.value.reason == attempt.answer


@pytest.mark.parametrize("text", [DROP, FORMAT], ids=["sql", "format"])
async def test_text_that_means_something_elsewhere_is_stored_and_found_as_text(
    talk: Conversation, text: str
) -> None:
    session = make_session(
        text, text, encounter={text: text, "difficulty": text}, state={text: [text]}, note=text
    )
    assert (await talk.engine.write(session, 7))["outcome"] == "stored"
    record = (await talk.caller.call("session.read", {"sessionId": text}))["record"]
    assert record["session"] == session
    for wanted in ({"playerId": text}, {"stateContains": {text: [text]}}):
        assert len((await talk.caller.query(wanted))["records"]) == 1, wanted
    assert (await talk.caller.call("session.stats", {"playerId": text}))["totalSessions"] == 1
    assert await talk.database.fetchval("SELECT count(*) FROM sessions WHERE difficulty = $1", text) == 1


async def test_a_forged_cursor_leads_nowhere(talk: Conversation) -> None:
    for number in range(2):
        await talk.engine.write(make_session(f"sess_cursor_{number}", "cursor"), 7)
    cursor = (await talk.caller.query({"playerId": "cursor"}, limit=1))["nextCursor"]
    for forged, player in ((cursor[:-2] + "AA", "cursor"), (cursor, "somebody else"), (cursor * 2, "cursor")):
        with pytest.raises(Failed) as failed:
            await talk.caller.query({"playerId": player}, limit=1, cursor=forged)
        assert failed.value.reason == "invalid_params"


@pytest.mark.parametrize(
    "address",
    [
        TOPOLOGY.dead_queue.name,
        *(
            pytest.param(address, marks=long("the log writes a line that it wrote before again after 10 s"))
            for address in (TOPOLOGY.write_queue.name, "session.replyx", "amq.gen-x", "")
        ),
    ],
)
async def test_an_answer_goes_to_no_queue_but_a_callers(
    talk: Conversation, walls: Walls, address: str
) -> None:
    seen = talk.requests.mark()
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": "health.check"})
    await talk.caller.publish(body, reply_to=address, correlation_id="other")
    await talk.requests.logged("rpc.ignored", since=seen)
    ours = (TOPOLOGY.dead_queue.name, TOPOLOGY.write_queue.name)
    assert [await walls.count(RPC_VHOST, name) for name in ours] == [0, 0]


async def test_a_line_of_the_log_is_the_workers_own(talk: Conversation) -> None:
    seen = talk.events.mark()
    for text in (CONTROL, FORMAT):
        content = orjson.dumps({"revision": 7, "session": make_session("s")})
        event = make_event(WRITE_KEY, f"other {text}", content)
        await talk.engine.send(event, WRITE_KEY, headers={"traceparent": text, "x-code": text})
    await talk.events.logged("events.dead_lettered", since=seen)
    assert talk.events.said == [], "a line that is no JSON"
    assert not [line for line in talk.events.log if line["event"] == "forged"]
    assert "\x1b" not in orjson.dumps(talk.events.log).decode()


async def test_a_metric_is_the_workers_own(talk: Conversation) -> None:
    label = 'x"} 1\nsession_store_forged{a="'
    with pytest.raises(Failed):
        await talk.caller.call(label)
    await talk.caller.call("health.check", headers={label[:100]: label, "traceparent": label})
    for replica in (talk.events, talk.requests):
        shown = await talk.page("/metrics", replica)
        assert "forged" not in shown
        assert "# HELP" in shown
        assert "forged" not in await talk.page("/", replica)


async def test_properties_of_any_kind_change_nothing(talk: Conversation, walls: Walls) -> None:
    session = make_session(f"sess_{uuid4().hex}")
    odd = {
        "headers": {
            "x-death": [{"count": 10**9}],
            "x-delivery-count": -1,
            "x-match": "all",
            "x-delay": 2**62,
        },
        "priority": 255,
        "expiration": 3600.0,
        "message_id": CONTROL,
        "type": DROP,
        "app_id": FORMAT,
    }
    body = make_event(WRITE_KEY, session["sessionId"], orjson.dumps({"revision": 7, "session": session}))
    answer = orjson.loads(await talk.engine.send(body, WRITE_KEY, **odd))
    assert answer["outcome"] == "stored"
    assert await walls.count(EVENTS_VHOST, TOPOLOGY.write_queue.name) == 0
