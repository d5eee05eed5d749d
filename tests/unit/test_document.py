"""The worker's reader of JSON refuses bad JSON, and content that would not be read back equal."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.limits import MAX_DEPTH
from contracts.outcomes import DeadLetterCode
from tests.support.events.strategies import texts
from tests.support.examples import times
from worker.ingest.document import InvalidEvent, check_content, parse

KEPT = [
    "0",
    "-0",
    "-0.0",
    "0.0",
    "12.50",
    "1E5",
    "1e+05",
    "0.30000000000000004",
    "0.1e-99",
    "1e22",
    "10000000000000000000000",
    "1" + "0" * 300,
    "1.7976931348623157e308",
    "2.2250738585072014e-308",
    "5e-324",
    "123456789012345.6e10",
    "1." + "0" * 5000,
    "1e-0000000005",
    *(str(2**53 + n) for n in (-1, 0, 1)),
    *(str(-(2**53) + n) for n in (-1, 0, 1)),
    *(str(2**63 + n) for n in (-1, 0, 1)),
    str(2**64 - 1),
    str(-(2**63)),
]
CHANGED = [
    str(2**64),
    str(2**64 + 1),
    str(-(2**63) - 1),
    "12345678901234567890123",
    "1" * 300,
    "1" * 5000,
    "-" + "7" * 5000,
    "1e400",
    "-1e400",
    "1e99999999999999999999",
    "1e-400",
    "1e-99999999999999999999",
    "2.5e-324",
    "4.9406564584124654e-324",
    "0.1234567890123456789",
    "0.10000000000000001",
    "9007199254740993e0",
    "9999999999999999E0",
    "9007199254740993.0",
    "3.141592653589793238",
    "0." + "1" * 5000,
]
MANTISSAS = st.from_regex(r"-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,20})?", fullmatch=True)
NUMBERS = st.builds(
    lambda mantissa, exponent: mantissa + exponent,
    MANTISSAS,
    st.just("") | st.from_regex(r"[eE][+-]?[0-9]{1,3}", fullmatch=True),
)
NOT_JSON = {
    "empty": b"",
    "blank": b" \n",
    "truncated": b'{"data":',
    "trailing comma": b'{"data":1,}',
    "two documents": b"{}{}",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"data":1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"data":1}'.encode("utf-16-le"),
    "invalid UTF-8": b'{"data":"\xff"}',
    "overlong UTF-8": b'{"data":"\xc0\x80"}',
    "encoded surrogate": b'{"data":"\xed\xa0\x80"}',
    "lone high surrogate": b'{"data":"\\ud800"}',
    "lone low surrogate": b'{"data":"\\udc00"}',
    "NaN": b'{"data":NaN}',
    "Infinity": b'{"data":Infinity}',
    "leading zero": b'{"data":01}',
    "plus sign": b'{"data":+1}',
    "bare point": b'{"data":1.}',
    "hexadecimal": b'{"data":0x10}',
    "raw control character": b'{"data":"\n"}',
    "raw NUL": b'{"data":"\x00"}',
    "single quotes": b"{'data':1}",
    "comment": b'{"data":1}//',
}


def check(body: bytes) -> dict[str, object]:
    """Return the document of a body that passes all checks."""
    parsed = parse(body)
    check_content(parsed, parsed.document.get("data"))
    return parsed.document


def checked(body: bytes) -> dict[str, object] | DeadLetterCode:
    try:
        return check(body)
    except InvalidEvent as refused:
        return refused.code


def refusal_of(body: bytes) -> DeadLetterCode:
    with pytest.raises(InvalidEvent) as refused:
        check(body)
    return refused.value.code


def holding(number: str) -> bytes:
    return b'{"data":{"n":%s}}' % number.encode()


def nested(levels: int, opening: bytes, closing: bytes, inner: bytes = b"1") -> bytes:
    """Return `inner` within this many levels, the outer object included."""
    return b'{"data":' + opening * (levels - 1) + inner + closing * (levels - 1) + b"}"


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_what_is_not_json_is_refused(body: bytes) -> None:
    assert refusal_of(body) == "bad_json"


@pytest.mark.parametrize("body", [b"null", b"1", b'"x"', b"[]", b"true", b"[{}]", b" 1.5 "])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert refusal_of(body) == "not_object"


def test_a_compressed_body_is_told_apart_from_bad_json() -> None:
    assert refusal_of(b"\x1f\x8b\x08\x00") == "bad_schema"


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, MAX_DEPTH + 2, 1000, 1100, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"d":', b"}")], ids=["arrays", "objects"])
def test_nesting_over_64_is_refused(opening: bytes, closing: bytes, levels: int) -> None:
    assert refusal_of(nested(levels, opening, closing)) == "too_deep"
    assert refusal_of(nested(levels - 1, opening, closing, b"[]")) == "too_deep"


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"d":', b"}")], ids=["arrays", "objects"])
def test_nesting_of_64_is_kept(opening: bytes, closing: bytes) -> None:
    assert check(nested(MAX_DEPTH, opening, closing))
    assert check(nested(MAX_DEPTH - 1, opening, closing, b"[]"))


def test_breadth_is_not_depth() -> None:
    assert check(b'{"data":[%s]}' % b",".join([b"[{}]"] * 500))
    assert check(b'{"data":"%s"}' % (b"[{" * 500))


@pytest.mark.parametrize("number", KEPT, ids=lambda number: number[:30])
def test_a_number_that_comes_back_equal_is_kept(number: str) -> None:
    written = orjson.dumps(check(holding(number)))
    assert json.loads(written, parse_float=Decimal) == {"data": {"n": Decimal(number)}}


@pytest.mark.parametrize("number", CHANGED, ids=lambda number: number[:30])
def test_a_number_that_would_change_is_refused(number: str) -> None:
    assert refusal_of(holding(number)) == "bad_number"
    assert refusal_of(b'{"data":[1,{"a":[%s]}]}' % number.encode()) == "bad_number"


@given(NUMBERS)
@times(4)
def test_every_number_is_refused_or_comes_back_equal(number: str) -> None:
    match checked(holding(number)):
        case dict() as document:
            written = orjson.dumps(document)
            assert json.loads(written, parse_float=Decimal)["data"]["n"] == Decimal(number)
        case code:
            assert code == "bad_number"


@pytest.mark.parametrize("number", CHANGED, ids=lambda number: number[:30])
def test_what_looks_like_a_number_in_a_string_is_text(number: str) -> None:
    assert check(b'{"data":{"%s":"%s"}}' % (number.encode(), number.encode()))


@pytest.mark.parametrize("before", [": ", ", ", "[", "{", " -", "v1.", "-", "e", "0" * 70])
@pytest.mark.parametrize(
    "number", ["0.1234567890123456789", "1e-400", "9007199254740993e0", "1.2.34567890123456789"]
)
def test_a_number_in_the_middle_of_a_text_is_text(before: str, number: str) -> None:
    text = (before + number).encode()
    assert check(b'{"data":{"a":"%s"}}' % text)
    assert refusal_of(b'{"data":{"a":"%s","n":1e-400}}' % text) == "bad_number"


@given(st.lists(st.uuids().map(str) | NUMBERS, max_size=8), NUMBERS)
def test_numbers_are_told_from_ids_that_look_like_them(texts: list[str], number: str) -> None:
    alone = checked(holding(number))
    among = checked(orjson.dumps({"data": {"a": texts}})[:-2] + b',"n":%s}}' % number.encode())
    assert (alone == "bad_number") == (among == "bad_number")


@pytest.mark.parametrize("number", [str(2**64), "0.1234567890123456789", "1e-400", "9007199254740993e0"])
def test_a_number_beside_the_content_is_nobodys_concern(number: str) -> None:
    assert check(b'{"traceflags":%s,"data":{"n":1}}' % number.encode())
    assert check(b'{"traceflags":%s}' % number.encode())


def test_only_the_last_of_duplicate_keys_counts() -> None:
    assert check(b'{"data":{"n":1e-400,"n":1}}') == {"data": {"n": 1}}
    assert check(b'{"data":{"n":1e-400},"data":{"n":1}}') == {"data": {"n": 1}}
    assert refusal_of(b'{"data":{"n":1,"n":1e-400}}') == "bad_number"


@pytest.mark.parametrize("content", ['{"a":"%s"}', '{"%s":1}', '["x",{"y":["a%sb"]}]', '"%s0001"'])
def test_nul_is_refused_wherever_it_is_and_a_backslash_before_u0000_is_text(content: str) -> None:
    for backslashes in range(1, 5):
        body = f'{{"data":{content}}}' % ("\\" * backslashes + "u0000")
        if backslashes % 2:
            assert refusal_of(body.encode()) == "nul_character"
        else:
            assert check(body.encode()) == json.loads(body)


@given(texts)
def test_a_text_is_refused_for_nul_and_nothing_else(text: str) -> None:
    body = json.dumps({"data": {text: text}}).encode()
    if "\0" in text:
        assert refusal_of(body) == "nul_character"
    else:
        assert check(body) == {"data": {text: text}}
