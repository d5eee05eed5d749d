"""Attempts by messages: the worker refuses them, and passes content to the database only as parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from gzip import compress
from typing import Any, Final

import orjson

from tests.escapes.attempt import Attempt
from tests.support.broker.caller import make_session

DEEP: Final = b"[" * 200 + b"]" * 200
DROP: Final = "'; DROP TABLE sessions; --"
FORMAT: Final = "%s%n%x {0.__class__.__mro__} ${jndi:ldap://x} $(reboot) `id`"
CONTROL: Final = '\n{"event":"forged"}\x1b[2J\x1b]0;owned\x07'


@dataclass(frozen=True, slots=True)
class EventAttempt(Attempt):
    """A write with this session id, these fields and this revision, refused with the attempt's answer for a code."""

    session_id: str = "sess_attempt"
    fields: Mapping[str, Any] = field(default_factory=dict)
    revision: object = 7
    subject: str | None = None
    content: bytes | None = None
    encoding: str | None = None

    def body(self) -> bytes:
        """Return the event's content."""
        session = make_session(self.session_id, **self.fields)
        return orjson.dumps({"revision": self.revision, "session": session})


@dataclass(frozen=True, slots=True)
class RequestAttempt(Attempt):
    """A call that is answered with an error, whose reason is the attempt's answer."""

    method: str = "session.query"
    params: object = field(default_factory=dict)


def event(name: str, tried: str, answer: str, **what: Any) -> EventAttempt:
    return EventAttempt(f"event-{name}", f"engine: {tried}", "worker", answer, **what)


def request(
    name: str, tried: str, answer: str, method: str = "session.query", **params: Any
) -> RequestAttempt:
    return RequestAttempt(f"request-{name}", f"caller: {tried}", "worker", answer, method, params)


EVENT_ATTEMPTS: Final = (
    event("oversized", "a body over 1 MiB", "too_large", fields={"pad": "x" * 1_100_000}),
    event("deep", "a body nested 200 deep", "too_deep", content=DEEP),
    event(
        "compressed",
        "a body that is small while compressed",
        "bad_schema",
        content=compress(b"[" * 10**7),
        encoding="gzip",
    ),
    event("nul", "U+0000 in a field", "nul_character", fields={"note": "a\0b"}),
    event("id-control", "control characters in an id", "bad_id", session_id=f"sess{CONTROL}"),
    event("id-long", "an id of 256 characters", "bad_id", session_id="x" * 256),
    event(
        "id-bytes",
        "an id of 255 characters that is over 1,020 bytes, by a player",
        "bad_id",
        fields={"playerId": "🧂" * 256},
    ),
    event(
        "id-other",
        "an event about one session that writes another",
        "subject_mismatch",
        subject="sess_of_somebody",
    ),
    event("revision-2-53", "a revision nothing can follow", "bad_revision", revision=2**53),
    event("revision-negative", "a revision before the first", "bad_revision", revision=-1),
    event("revision-text", "SQL for a revision", "bad_revision", revision=DROP),
    event("time", "SQL for a time", "bad_time", fields={"startedAt": DROP}),
    event(
        "number",
        "a number that the database keeps otherwise",
        "bad_number",
        content=b'{"revision":7,"session":{"sessionId":"sess_attempt","playerId":"p","encounter":{},"state":{"n":1e400},"startedAt":"2025-11-07T10:30:00Z"}}',
    ),
)

REQUEST_ATTEMPTS: Final = (
    request("sort-sql", "SQL to sort by", "invalid_params", options={"sortBy": f"startedAt{DROP}"}),
    request("order-sql", "SQL for an order", "invalid_params", options={"sortOrder": f"desc{DROP}"}),
    request("limit-sql", "SQL for a limit", "invalid_params", options={"limit": f"1{DROP}"}),
    request("limit", "all sessions at once", "invalid_params", options={"limit": 10**9}),
    request(
        "ids", "10,000 sessions at once", "invalid_params", "session.readMany", sessionIds=["s"] * 10_000
    ),
    request("filter", "a filter that is none", "invalid_params", filter={"1=1 OR playerId": "p"}),
    request("cursor", "a cursor made up", "invalid_params", options={"cursor": "AAAA"}),
    request("method", "a method of the program's own", "unknown_method", "__class__"),
    request(
        "method-label",
        "a method that forges a metric",
        "unknown_method",
        'x"} 1\nsession_store_ready{forged="1',
    ),
    request("id-control", "control characters in an id", "invalid_params", "session.read", sessionId=CONTROL),
)
