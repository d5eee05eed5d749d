"""The messages of the AsyncAPI document, each with its headers and its payload."""

from typing import Final

from ..replies import RESULTS
from ..requests import PARAMS
from ..topology import DEADLINE_HEADER, EVENT_CONTENT_TYPE, SIGNATURE_HEADER

SCHEMA: Final = "#/components/schemas/"
CORRELATION: Final = "$message.header#/correlation_id"

Node = dict[str, object]

_SIGNATURE: Final[Node] = {
    "type": "string",
    "description": "The signature of the message: version, key id, milliseconds since the epoch, HMAC-SHA256"
    " (docs/engine.md, Signed messages). Verified where the installation has keys; `message_id` must be set with it.",
    "pattern": "^v1;[A-Za-z0-9_.-]{1,64};[0-9]{1,15};[0-9a-f]{64}$",
}
_REPLY_HEADERS: Final[Node] = {
    "type": "object",
    "properties": {"correlation_id": {"type": "string"}, SIGNATURE_HEADER: _SIGNATURE},
}
_EVENT_HEADERS: Final[Node] = {
    "type": "object",
    "description": "AMQP properties `reply_to` and `correlation_id`: with both of them the outcome is confirmed"
    " after it is committed. The header `traceparent`, W3C trace context, may say which trace it belongs to.",
    "properties": {
        "reply_to": {"type": "string"},
        "correlation_id": {"type": "string"},
        "traceparent": {"type": "string"},
        SIGNATURE_HEADER: _SIGNATURE,
    },
}
_REQUEST_HEADERS: Final[Node] = {
    "type": "object",
    "description": "AMQP properties `reply_to` and `correlation_id`, and the header `deadline`:"
    " milliseconds since the epoch, after which the request is dropped unanswered. The header `traceparent`, W3C"
    " trace context, may say which trace it belongs to.",
    "properties": {
        "reply_to": {"type": "string"},
        "correlation_id": {"type": "string"},
        DEADLINE_HEADER: {"type": "integer"},
        "traceparent": {"type": "string"},
        SIGNATURE_HEADER: _SIGNATURE,
    },
    "required": ["reply_to", "correlation_id"],
}


def build_messages() -> Node:
    """Return every message by its name in the document."""
    event = {"contentType": EVENT_CONTENT_TYPE, "headers": _EVENT_HEADERS}
    return {
        "WriteEvent": _message("A session was written.", _refer("WriteEvent"), **event),
        "DeleteEvent": _message("A session was deleted.", _refer("DeleteEvent"), **event),
        "EraseEvent": _message("A player is erased.", _refer("EraseEvent"), **event),
        **{request_name(method): _request(method) for method in PARAMS},
        **{result_name(method): _result(method) for method in RESULTS},
        "Failure": _message("A request failed.", _refer("Failure"), headers=_REPLY_HEADERS),
        "Confirmation": _message("The outcome of an event.", _refer("Confirmation"), headers=_REPLY_HEADERS),
        "DeadLetter": {
            "summary": "A refused event: any bytes, with headers that say why.",
            "headers": _refer("DeadLetterHeaders"),
        },
        "SessionStored": _change("The session as it is stored now.", "SessionStored"),
        "SessionDeleted": _change("The session does not exist any more.", "SessionDeleted"),
    }


def _message(summary: str, payload: Node, **more: object) -> Node:
    return {"summary": summary, "correlationId": {"location": CORRELATION}, **more, "payload": payload}


def _change(summary: str, schema: str) -> Node:
    return {"summary": summary, "contentType": EVENT_CONTENT_TYPE, "payload": _refer(schema)}


def _request(method: str) -> Node:
    params = {"method": {"const": method}, "params": _refer(PARAMS[method].__name__)}
    payload: Node = {"allOf": [_refer("Request"), {"type": "object", "properties": params}]}
    return _message(f"The request `{method}`.", payload, headers=_REQUEST_HEADERS)


def _result(method: str) -> Node:
    properties: Node = {
        "jsonrpc": {"const": "2.0"},
        "id": {"type": ["string", "number", "null"]},
        "result": _refer(RESULTS[method].__name__),
    }
    payload: Node = {"type": "object", "properties": properties, "required": list(properties)}
    return _message(f"The answer to `{method}`.", payload, headers=_REPLY_HEADERS)


def _refer(schema: str) -> Node:
    return {"$ref": SCHEMA + schema}


def title_of(method: str) -> str:
    """Return a method as part of a name: `session.readMany` is `ReadMany`, `health.check` is `Health`."""
    return PARAMS[method].__name__.removesuffix("Params")


def request_name(method: str) -> str:
    """Return the name of the message that asks this."""
    return f"{title_of(method)}Request"


def result_name(method: str) -> str:
    """Return the name of the message that answers this."""
    return f"{title_of(method)}Answer"
