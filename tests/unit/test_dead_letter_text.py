"""The text that the `dead` commands read from people and show to them."""

from datetime import UTC, datetime

import orjson
import pytest
import typer
from pamqp.common import FieldTable

from tests.support.events.dead_letters import delivered
from worker.broker.delivery import Properties
from worker.cli.console import printable
from worker.cli.dead.rendering import DeadLetterTable, document_of, json_line, lines_of, pretty
from worker.cli.options import parse_moment
from worker.dead_letters.dead_letter import read_dead_letter

HOSTILE = "\x1b[2J\x9b1m\u202e\x00\r\u2028\ud800"


def test_nothing_a_sender_wrote_reaches_the_terminal_as_it_is() -> None:
    body = orjson.dumps(
        {"subject": HOSTILE[:-1], "id": HOSTILE[:-1], "note": [HOSTILE[:-1]]}
    ) + HOSTILE.encode(errors="replace")
    for content in (body, body[:-40], HOSTILE.encode(errors="surrogatepass")):
        headers: FieldTable = {"x-code": HOSTILE[:-1], "x-message": HOSTILE[:-1], HOSTILE[:4]: HOSTILE[:-1]}
        letter = read_dead_letter(delivered(Properties(headers=headers, app_id=HOSTILE[:-1]), content), 1)
        texts = [DeadLetterTable(14).row(letter), *lines_of(letter), json_line(document_of(letter))]
        assert all(text.isprintable() for text in texts)
    assert printable("plain é 日本") == "plain é 日本"
    assert printable("\x1b") == "\\x1b"


def test_a_body_is_indented_without_changing_a_number_or_a_key() -> None:
    lines = list(pretty(b'{"n":1.0,"n":0.10000000000000000001,"a":[],"o":{ },"l":[1,"x:,{"]}'))
    assert lines == [
        "  {",
        '    "n": 1.0,',
        '    "n": 0.10000000000000000001,',
        '    "a": [],',
        '    "o": { },',
        '    "l": [',
        "      1,",
        '      "x:,{"',
        "    ]",
        "  }",
    ]


def test_a_broken_body_shows_where_it_breaks() -> None:
    assert list(pretty(b'{"a":{"b":"cut of')) == ["  {", '    "a": {', '      "b": "cut of']
    assert list(pretty(b"no json\n\xff")) == ["  no json", "  \\xff"]
    assert list(pretty(b"")) == ["  "]


@pytest.mark.parametrize(
    ("text", "span"), [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("1w", 604_800)]
)
def test_a_time_may_be_a_span_before_now(text: str, span: int) -> None:
    assert abs((datetime.now(UTC) - parse_moment(text)).total_seconds() - span) < 10


def test_a_time_may_be_rfc_3339_and_nothing_else() -> None:
    assert parse_moment("2026-11-23T13:00:00+01:00") == datetime(2026, 11, 23, 12, tzinfo=UTC)
    for wrong in ("yesterday", "2026-11-23T13:00:00", "-2h", "2 h", "999999w", ""):
        with pytest.raises(typer.BadParameter):
            parse_moment(wrong)
