"""The quick reader of events accepts nothing that the models refuse, and makes the same rows."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.limits import MAX_DEPTH
from tests.support.events.bad_events import BadEvent, bad_events
from tests.support.events.decoding import models_of
from tests.support.events.deliveries import delete_event, deliver, with_number, write_event
from tests.support.events.samples import read_dead_letters, read_events
from tests.support.events.strategies import events, texts, values
from tests.support.examples import times
from tests.unit.test_document import CHANGED, KEPT, NOT_JSON, NUMBERS, nested
from worker.broker.delivery import Properties
from worker.ingest.decode import decode
from worker.ingest.document import InvalidEvent
from worker.ingest.plain_event import Event, is_deeper, read_plain
from worker.store.rows import EventRow

WRITE, DELETE = "session.write", "session.delete"


def judged(body: bytes, key: str = WRITE) -> Event | None:
    """Return the quick reader's event of a body, and compare it with the event of the models."""
    plain = read_plain(body, key)
    if plain is not None:
        by_models = models_of(body, key)
        assert (comparable(plain[0]), plain[1]) == (comparable(by_models.event), by_models.time)
    return plain


def comparable(row: EventRow) -> list[object]:
    """Return the fields of a row, with parsed JSON text; every number stays as it is written."""
    content = [
        text and json.loads(text, parse_float=Decimal, parse_int=Decimal)
        for text in (row.encounter, row.state, row.extra)
    ]
    return [*row._replace(encounter=None, state=None, extra=None), *content]


def is_taken(body: bytes, key: str = WRITE) -> bool:
    return judged(body, key) is not None


def write(**session: object) -> bytes:
    return orjson.dumps(write_event(**session))


def test_every_sample_that_is_valid_is_taken_or_left_to_the_models() -> None:
    taken = [event for event in read_events() if is_taken(orjson.dumps(event), str(event["type"]))]
    assert not {str(event["id"]) for event in taken} & set(read_dead_letters())
    assert len(taken) > 0.95 * (len(read_events()) - len(read_dead_letters()))


OTHERS_JUDGE = ("too_large", "revision_ahead")  # size is judged before the reading, revision by the clock
BAD_BODIES = [bad for bad in bad_events() if bad.code not in OTHERS_JUDGE]


@pytest.mark.parametrize(
    ("updated", "is_plain"),
    [("2025-11-07T10:30:00.000Z", True), (None, False), ("yesterday", False), (7, False)],
)
def test_the_time_of_an_imports_last_change_is_taken_where_the_models_take_it(
    updated: object, is_plain: bool
) -> None:
    event = write_event()
    data = event["data"]
    assert isinstance(data, dict)
    data["updatedAt"] = updated
    assert is_taken(orjson.dumps(event)) is is_plain


@pytest.mark.parametrize("bad", BAD_BODIES, ids=lambda bad: bad.name[:40])
def test_a_bad_event_is_not_taken(bad: BadEvent) -> None:
    assert not is_taken(bad.body)


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON.keys())
@pytest.mark.parametrize("where", ["state", "envelope", "delete"])
def test_bytes_that_are_not_json_are_not_taken_wherever_they_are(text: bytes, where: str) -> None:
    value = text.removeprefix(b'{"data":').removesuffix(b"}")
    match where:
        case "state":
            body, key = orjson.dumps(write_event(state={"n": "HERE"})), WRITE
        case "envelope":
            body, key = orjson.dumps({**write_event(), "n": "HERE"}), WRITE
        case _:
            body, key = orjson.dumps({**delete_event(), "n": "HERE"}), DELETE
    assert not is_taken(body.replace(b'"HERE"', value), key)


@pytest.mark.parametrize("where", ["state", "encounter", "plugin"])
@pytest.mark.parametrize("number", CHANGED, ids=lambda number: number[:30])
def test_a_number_that_would_change_is_not_taken(number: str, where: str) -> None:
    assert not is_taken(with_number(number, where))


@pytest.mark.parametrize("number", KEPT, ids=lambda number: number[:30])
def test_a_number_that_comes_back_equal_has_the_same_value_either_way(number: str) -> None:
    judged(with_number(number))


@pytest.mark.parametrize("number", ["0", "-0", "-0.0", "12.50", "1E5", "0.1", "0.6180339887498949", "5e-324"])
def test_a_usual_number_is_taken(number: str) -> None:
    assert is_taken(with_number(number))


@pytest.mark.parametrize("number", ["1." + "0" * 5000, "0." + "0" * 20_000 + "1", "1" + "0" * 300])
def test_a_number_with_more_digits_than_postgresql_may_keep_is_left_to_the_models(number: str) -> None:
    assert not is_taken(with_number(number))


@given(NUMBERS)
@times(2)
def test_every_number_is_left_to_the_models_or_kept_as_it_is_written(number: str) -> None:
    judged(with_number(number))


@pytest.mark.parametrize(
    "body",
    [
        write(plugin={"a": 1}, **{"completed_at": 5, "": None, "session_id": "x"}),
        write(completedAt=None),
        write(completedAt="2025-11-07T10:40:00.5+01:00"),
        write(encounter={"text": 'a "quote", a \\ and a line\n', "ü": "Зоя …\U0001f9c2"}),
        orjson.dumps({**write_event(), "time": "2025-11-07t10:30:00z", "traceparent": "00-a", "n": [[]]}),
        orjson.dumps({**write_event(), "data": {**write_event()["data"], "expectedRevision": 0}}),  # type: ignore[dict-item]
        json.dumps(write_event(), indent=2).encode(),
        write(state={"list": [{"text": "[{"}] * 500}),
    ],
    ids=["fields", "null", "completed", "text", "attributes", "expecting", "spaces", "braces"],
)
def test_a_plain_write_is_taken(body: bytes) -> None:
    assert is_taken(body)


@pytest.mark.parametrize("data", [{"revision": 2}, {"revision": 2, "expectedRevision": 1, "session": [1]}])
def test_a_delete_is_taken(data: dict[str, object]) -> None:
    assert is_taken(orjson.dumps({**delete_event(), "data": data}), DELETE)


@pytest.mark.parametrize(
    ("twice", "instead"),
    [
        (b'"state":{', b'"state":{"a":1},"state":{'),
        (b'"revision":', b'"revision":1,"revision":'),
        (b'"data":{', b'"data":{"revision":1,"session":{}},"data":{'),
        (b'"playerId":', b'"playerId":"player_2","playerId":'),
        (b'"currentObjectiveIndex":', b'"currentObjectiveIndex":[],"currentObjectiveIndex":'),
        (b'"plugin":', b'"plugin":{},"plugin":'),
    ],
)
def test_the_last_of_duplicate_keys_counts(twice: bytes, instead: bytes) -> None:
    body = write(plugin=1)
    assert twice in body
    judged(body.replace(twice, instead))
    judged(body.replace(twice, instead[: instead.rindex(twice)] + b'"x":1,' + twice))


@pytest.mark.parametrize("key", ["session.read", "player.erase", "", DELETE])
def test_a_write_by_another_routing_key_is_not_taken(key: str) -> None:
    assert not is_taken(write(), key)


@given(events(), st.booleans())
@times(2)
def test_every_event_is_taken_as_the_models_take_it(event: dict[str, object], spaced: bool) -> None:
    body = json.dumps(event, ensure_ascii=False, indent=1 if spaced else None).encode()
    judged(body, str(event["type"]))


@given(events(), st.data())
@times(3)
def test_a_damaged_event_is_taken_as_the_models_take_it(
    event: dict[str, object], data: st.DataObject
) -> None:
    body = bytearray(orjson.dumps(event))
    pieces = st.sampled_from(
        [b"{", b"}", b"[", b'"', b"0", b"-", b"1e999", b"e", b"\\", b"\\u0000", b"\xff", b","]
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at, cut = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 3))
        body[at : at + cut] = data.draw(st.binary(max_size=3) | pieces)
    judged(bytes(body), str(event["type"]))


@given(st.sampled_from(["id", "time", "source", "specversion", "subject", "type", "data"]), values)
@times(2)
def test_an_odd_attribute_is_taken_as_the_models_take_it(name: str, value: object) -> None:
    judged(json.dumps({**write_event(), name: value}, ensure_ascii=False).encode())


@given(st.sampled_from(["sessionId", "playerId", "encounter", "state", "startedAt", "completedAt"]), values)
@times(2)
def test_an_odd_field_is_taken_as_the_models_take_it(name: str, value: object) -> None:
    judged(json.dumps(write_event(**{name: value}), ensure_ascii=False).encode())


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"d":', b"}")], ids=["arrays", "objects"])
def test_depth_is_counted_outside_of_texts(opening: bytes, closing: bytes) -> None:
    for inner in (b'"[[[{{{"', rb'"\"[\\"', rb'"\\\"{"', b"1"):
        body = nested(MAX_DEPTH, opening, closing, inner)
        assert not is_deeper(body, MAX_DEPTH)
        assert is_deeper(body, MAX_DEPTH - 1)


DEEP = st.recursive(
    st.none() | texts | st.sampled_from(['"', "\\", '\\"', "{", "}]", '"{"']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.just('\\"{'), inner, max_size=3),
    max_leaves=20,
)


@given(DEEP)
@times(2)
def test_depth_is_what_a_walk_finds(value: object) -> None:
    body = json.dumps({"data": value}, ensure_ascii=False).encode()
    depth = depth_of({"data": value})
    assert not is_deeper(body, depth)
    assert is_deeper(body, depth - 1)


def depth_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(depth_of, value.values()), default=0)
        case list():
            return 1 + max(map(depth_of, value), default=0)
        case _:
            return 0


def test_a_body_that_is_too_deep_for_the_quick_way_is_refused_by_the_models() -> None:
    for levels in (MAX_DEPTH, 1_000, 100_000):
        body = with_number("[" * levels + "]" * levels)
        assert read_plain(body, WRITE) is None
        with pytest.raises(InvalidEvent) as refused:
            decode(deliver(body), Properties(), 2**20)
        assert refused.value.code == "too_deep"
