"""Every kind of invalid event that a normal client can send, each with its dead-letter code."""

import copy
import gzip
from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import orjson

from tests.support.events.deliveries import with_number, write_event

BODY_LIMIT = 1_048_576


class BadEvent(NamedTuple):
    """The name of a defect, its dead-letter code, and the message with it."""

    name: str
    code: str
    body: bytes
    content_encoding: str | None = None


def bad_events() -> list[BadEvent]:
    """Return one or more events for every code, except codes that depend on stored sessions."""
    return [*_bad_json(), *_bad_documents(), *_bad_fields(), *_bad_content()]


def _bad_json() -> Iterator[BadEvent]:
    good = orjson.dumps(write_event())
    for name, body in {
        "empty": b"",
        "truncated": good[:-1],
        "trailing comma": good[:-1] + b",}",
        "two documents": good + good,
        "byte order mark": b"\xef\xbb\xbf" + good,
        "UTF-16": good.decode().encode("utf-16"),
        "invalid UTF-8": good.replace(b"player_1", b"player_\xff"),
        "lone surrogate": good.replace(b"player_1", b"\\ud800"),
        "NaN": with_number("NaN"),
    }.items():
        yield BadEvent(name, "bad_json", body)


def _bad_documents() -> Iterator[BadEvent]:
    good = orjson.dumps(write_event())
    for body in (b"null", b"1", b'"x"', b"[]"):
        yield BadEvent(body.decode(), "not_object", body)
    yield BadEvent("over the limit", "too_large", b" " * (BODY_LIMIT + 1 - len(good)) + good)
    yield BadEvent("deep", "too_deep", with_number("[" * 61 + "]" * 61))
    yield BadEvent("very deep", "too_deep", b"[" * 100_000)
    yield BadEvent("gzip that says so", "bad_schema", gzip.compress(good), "gzip")
    yield BadEvent("gzip that does not say so", "bad_schema", gzip.compress(good))


def _bad_fields() -> Iterator[BadEvent]:
    for code, path, values in (
        ("bad_schema", "type", ["session.read", 7, None]),
        ("bad_schema", "type", ["session.delete"]),
        ("bad_schema", "specversion", ["0.3", 1.0]),
        ("bad_schema", "data.session.encounter", [[], None, "{}"]),
        ("bad_schema", "data.session.playerId", [7, None]),
        ("bad_id", "id", ["", "not-a-uuid"]),
        ("bad_id", "subject", ["", "x" * 256, "a\tb"]),
        ("bad_id", "data.session.playerId", ["", "x" * 256, "a\tb"]),
        ("subject_mismatch", "subject", ["sess_2"]),
        ("bad_revision", "data.revision", [0, -1, 2**53, 1.0, "5", True]),
        ("bad_revision", "data.expectedRevision", [-1, 2**53, "5"]),
        ("revision_ahead", "data.revision", [2**53 - 1]),
        ("bad_time", "data.session.startedAt", ["2025-02-03T00:00:00", "2025-02-30T00:00:00Z", "infinity"]),
        ("bad_time", "data.session.completedAt", ["9999-12-31T23:59:59-00:01"]),
    ):
        for value in values:
            yield BadEvent(f"{path}={value!r:.20}", code, orjson.dumps(_change(path, value)))


def _bad_content() -> Iterator[BadEvent]:
    for number in (str(2**64), "0.12345678901234567", "1e400", "1e-400", "9" * 5000, "9007199254740993e0"):
        yield BadEvent(f"number {number:.20}", "bad_number", with_number(number))
    for content in ({"text": "a\0b"}, {"\0": 1}):
        yield BadEvent(f"NUL in {content}", "nul_character", orjson.dumps(write_event(encounter=content)))


def _change(path: str, value: object) -> dict[str, object]:
    *parents, name = path.split(".")
    event = at = copy.deepcopy(write_event())
    event["id"] = str(uuid4())
    for parent in parents:
        at = at[parent]  # type: ignore[assignment]
    at[name] = value
    return event
