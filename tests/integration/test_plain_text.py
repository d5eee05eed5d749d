"""PostgreSQL stores the original text of a write equal to the text that the models encode."""

import json

import asyncpg
import orjson

from tests.support.events.decoding import models_of
from tests.support.events.deliveries import with_number, write_event
from tests.support.events.samples import read_events
from tests.unit.test_document import KEPT
from worker.ingest.plain_event import read_plain

ARE_EQUAL = """
    SELECT ($1::jsonb, $2::jsonb, $3::jsonb) IS NOT DISTINCT FROM ($4::jsonb, $5::jsonb, $6::jsonb)
"""
ODD = {"b": [1, "{", {"a": '\u2028 \x7f \U0001f9c2 \\ " / \b'}], "a": {"": None}, "aa": True}
BODIES = {
    "spaces": json.dumps(write_event(state=ODD, plugin=ODD), ensure_ascii=False, indent=1).encode(),
    "no spaces": orjson.dumps(write_event(encounter=ODD, plugin=ODD)),
    "a key twice": orjson.dumps(write_event(state={"a": 1})).replace(b'"a":1', b'"a":{},"a":1'),
    "slashes": orjson.dumps(write_event(state={"a": "/"})).replace(b"/", rb"\/"),
    **{number[:30]: with_number(number) for number in KEPT},
}


async def assert_equal(connection: asyncpg.Connection, body: bytes) -> bool:
    """Return whether the quick reader accepts the event; assert that its texts equal those of the models."""
    plain = read_plain(body, "session.write")
    if plain is None:
        return False
    given, models = plain[0], models_of(body).event
    texts = [
        text and text.decode() for row in (given, models) for text in (row.encounter, row.state, row.extra)
    ]
    assert await connection.fetchval(ARE_EQUAL, *texts), body
    return True


async def test_an_odd_text_is_kept_as_the_models_would_write_it(connection: asyncpg.Connection) -> None:
    taken = [name for name, body in BODIES.items() if await assert_equal(connection, body)]
    assert {"spaces", "no spaces", "a key twice", "slashes", "12.50", "-0"} <= set(taken)


async def test_every_sample_is_kept_as_the_models_would_write_it(connection: asyncpg.Connection) -> None:
    writes = [orjson.dumps(event) for event in read_events() if event["type"] == "session.write"]
    taken = [await assert_equal(connection, body) for body in writes]
    assert sum(taken) > 0.9 * len(writes)
