"""Dead letters as values: read, chosen, and restored for a replay."""

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pamqp.common import FieldTable

from contracts.outcomes import DeadLetterCode
from tests.support.broker.raw_amqp import CORRELATION_ID, flagged, header, short_string
from tests.support.events.dead_letters import delivered, fail_again, letter_of
from tests.support.events.deliveries import deliver, write_event
from worker.broker.delivery import Properties
from worker.cli.dead.rendering import document_of, json_line, lines_of
from worker.dead_letters.dead_letter import read_dead_letter
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.message import make_dead_letter
from worker.dead_letters.replay import can_replay, replay_properties


def test_a_letter_says_why_it_is_here_and_what_it_is_about() -> None:
    letter = letter_of(body=orjson.dumps({**write_event(), "subject": "other"}))
    assert (letter.failure.code, letter.failure.message, letter.failure.queue) == (
        "bad_schema",
        "why",
        "session.write",
    )
    assert letter.failure.failed_at is not None
    assert datetime.now(UTC) - letter.failure.failed_at < timedelta(minutes=1)
    assert letter.session_ids == ("other", "sess_1")
    assert letter.event_id == write_event()["id"]
    assert letter.history == ()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"subject":7,"id":[],"data":[]}', b"\xff" * 9])
def test_a_body_that_names_nothing_makes_a_letter_that_names_nothing(body: bytes) -> None:
    letter = letter_of(body=body)
    assert (letter.session_ids, letter.event_id) == ((), None)


def test_what_the_broker_dead_lettered_has_the_code_delivery_limit() -> None:
    death: FieldTable = {
        "reason": "delivery_limit",
        "queue": "session.write",
        "time": datetime(2026, 1, 2, tzinfo=UTC),
    }
    letter = read_dead_letter(delivered(Properties(headers={"x-death": [death]})), 1)
    assert letter.failure.code == "delivery_limit"
    assert letter.failure.queue == "session.write"
    assert letter.failure.failed_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_undecodable_properties_still_say_that_the_broker_dead_lettered() -> None:
    death: FieldTable = {"reason": "delivery_limit", "time": datetime(2026, 1, 2, tzinfo=UTC)}
    good = delivered(Properties(headers={"x-death": [death]}, correlation_id="id"))
    good.header = good.header[:-2] + b"\xff\xfe"
    letter = read_dead_letter(good, 1)
    assert letter.properties is None
    assert letter.failure.code == "delivery_limit"
    assert letter.failure.failed_at == datetime(2026, 1, 2, tzinfo=UTC)
    good.header = header(2, flagged(CORRELATION_ID, short_string(b"\xff")))
    assert read_dead_letter(good, 1).failure.code == "bad_properties"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-death": []},
        {"x-death": "?"},
        {"x-death": [{}]},
        {"x-history": "?"},
        {"x-history": [1, {"code": None}]},
        {"x-code": b"\xff".decode("latin-1"), "x-failed-at": "yesterday", "x-message": 7},
    ],
)
def test_headers_of_any_shape_make_a_letter(headers: FieldTable) -> None:
    letter = read_dead_letter(delivered(Properties(headers=headers)), 1)
    assert letter.failure.failed_at is None
    assert list(lines_of(letter))
    assert json.loads(json_line(document_of(letter)))["failedAt"] is None


NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FAILED: FieldTable = {
    "x-code": "bad_json",
    "x-failed-at": "2026-11-23T12:00:00.000Z",
    "x-origin-queue": "p.session.write",
}


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        (DeadLetterFilter(), True),
        (DeadLetterFilter(number=1), True),
        (DeadLetterFilter(number=2), False),
        (DeadLetterFilter(codes=frozenset(("bad_json", "conflict"))), True),
        (DeadLetterFilter(codes=frozenset(("conflict",))), False),
        (DeadLetterFilter(since=NOW, until=NOW), True),
        (DeadLetterFilter(since=NOW + timedelta(seconds=1)), False),
        (DeadLetterFilter(until=NOW - timedelta(seconds=1)), False),
        (DeadLetterFilter(session="sess_1"), True),
        (DeadLetterFilter(session="sess_2"), False),
        (DeadLetterFilter(queue="p.session.write"), True),
        (DeadLetterFilter(queue="session.write"), True),
        (DeadLetterFilter(queue="session.delete"), False),
        (DeadLetterFilter(event_id=str(write_event()["id"]).upper()), True),
        (DeadLetterFilter(event_id="x"), False),
        (DeadLetterFilter(codes=frozenset(("bad_json",)), session="sess_2"), False),
    ],
)
def test_a_filter_accepts_what_meets_all_its_conditions(wanted: DeadLetterFilter, accepted: bool) -> None:
    letter = read_dead_letter(delivered(Properties(headers=FAILED), orjson.dumps(write_event())), 1)
    assert wanted.accepts(letter) is accepted


def test_a_letter_without_a_time_is_in_no_span_of_time() -> None:
    letter = read_dead_letter(delivered(Properties()), 1)
    assert not DeadLetterFilter(since=NOW).accepts(letter)
    assert not DeadLetterFilter(until=NOW).accepts(letter)


def test_a_replay_restores_the_properties_but_for_what_would_make_it_vanish() -> None:
    came = Properties(
        content_type="application/cloudevents+json",
        correlation_id="c",
        reply_to="amq.rabbitmq.reply-to.gone",
        expiration="5000",
        user_id="guest",
        app_id="engine",
        priority=3,
        message_id="m",
        headers={"CC": ["elsewhere"], "BCC": ["hidden"], "traceparent": "00-1", "x-delivery-count": 3},
    )
    restored = replay_properties(letter_of(came))
    assert restored.headers is not None
    history = restored.headers.pop("x-history")
    assert [entry["code"] for entry in history] == ["bad_schema"]  # type: ignore[union-attr,index,call-overload]
    assert restored.headers == {
        "traceparent": "00-1",
        "x-original-cc": ["elsewhere"],
        "x-original-bcc": ["hidden"],
        "x-original-expiration": "5000",
        "x-original-user_id": "guest",
        "x-original-reply_to": "amq.rabbitmq.reply-to.gone",
    }
    gone = (restored.reply_to, restored.expiration, restored.user_id)
    assert gone == (None, None, None)
    kept = (restored.content_type, restored.correlation_id, restored.app_id, restored.priority)
    assert kept == ("application/cloudevents+json", "c", "engine", 3)
    assert (restored.message_id, restored.delivery_mode) == ("m", 2)


def test_a_letter_of_the_broker_is_replayed_without_its_death() -> None:
    headers: FieldTable = {
        "x-death": [{"reason": "delivery_limit"}],
        "x-first-death-reason": "delivery_limit",
        "mine": 1,
    }
    restored = replay_properties(read_dead_letter(delivered(Properties(headers=headers)), 1))
    assert restored.headers is not None
    assert set(restored.headers) == {"mine", "x-history"}


def test_what_fails_again_comes_back_with_its_history() -> None:
    first = letter_of()
    second = fail_again(first)
    third = fail_again(second)
    assert [failure.code for failure in third.history] == ["bad_schema", "bad_json"]
    assert third.history == (first.failure, second.failure)
    assert "earlier failure 2" in list(lines_of(third))


def test_history_stays_bounded() -> None:
    letter = letter_of(Properties(headers={"large": "x" * 110_000}))
    for number in range(30):
        letter = fail_again(letter, f"{number} " + "y" * 490)
    assert letter.undecodable is None
    assert len(letter.headers["large"]) == 110_000  # type: ignore[arg-type]
    assert 5 < len(letter.history) <= 20
    assert letter.history[-1].message.startswith("28 ")


def test_undecodable_properties_are_replayed_as_clean_ones_and_their_bytes_kept() -> None:
    came = deliver(b"{}")
    came.header = header(2, flagged(CORRELATION_ID, short_string(b"\xff\xfe")))
    dead = make_dead_letter(came, None, DeadLetterCode.BAD_PROPERTIES, "why")
    letter = read_dead_letter(delivered(dead.properties), 1)
    assert letter.undecodable == came.header[12:]
    again = fail_again(letter)
    assert again.undecodable == came.header[12:]
    assert [failure.code for failure in again.history] == ["bad_properties"]
    assert "  000000  04 00 02 ff fe                                   ....." in list(lines_of(again))


def test_only_events_can_be_replayed() -> None:
    keys = ("session.write", "session.delete", "session.rpc", "elsewhere")
    assert [can_replay(read_dead_letter(deliver(b"{}", key), 1)) for key in keys] == [
        True,
        True,
        False,
        False,
    ]
