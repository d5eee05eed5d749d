"""Dead letters as JSON: ASCII only, so that it is safe to print too."""

import json
from base64 import b64encode
from datetime import datetime
from math import isfinite

from contracts.session import format_timestamp
from worker.dead_letters.dead_letter import DeadLetter, Failure

Json = dict[str, object]


def summary_of(letter: DeadLetter) -> Json:
    """Return what the table says of a letter, times and names in full."""
    return {
        "number": letter.number,
        **_failure(letter.failure),
        "tries": len(letter.history) + 1,
        "routingKey": letter.delivery.routing_key,
        "sessionId": next(iter(letter.session_ids), None),
        "eventId": letter.event_id,
        "bytes": len(letter.delivery.body),
    }


def document_of(letter: DeadLetter) -> Json:
    """Return all there is of a letter.

    The body is text in `body`, or in `bodyBase64` when it is not UTF-8; bytes in headers are `{"base64": …}`.
    """
    document = {
        **summary_of(letter),
        "history": [_failure(failure) for failure in letter.history],
        "properties": plain(letter.values),
        "headers": plain(letter.headers),
    }
    if letter.undecodable is not None:
        document["undecodableProperties"] = plain(letter.undecodable)
    try:
        return {**document, "body": letter.delivery.body.decode()}
    except UnicodeDecodeError:
        return {**document, "bodyBase64": b64encode(letter.delivery.body).decode()}


def line_of(value: Json) -> str:
    """Return a value as one line."""
    return json.dumps(value, separators=(",", ":"))


def plain(value: object) -> object:
    """Return an AMQP value as JSON can say it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case bytes() | bytearray():
            return {"base64": b64encode(value).decode()}
        case datetime():
            return format_timestamp(value)
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list():
            return [plain(item) for item in value]
    return str(value)


def _failure(failure: Failure) -> Json:
    return {
        "failedAt": format_timestamp(failure.failed_at) if failure.failed_at else None,
        "code": failure.code,
        "message": failure.message,
        "queue": failure.queue or None,
    }
