"""Deliveries as the broker makes them, for tests that need no broker."""

import orjson
from pamqp.header import ContentHeader

from worker.broker.delivery import Delivery, Properties

SESSION: dict[str, object] = {
    "sessionId": "sess_1",
    "playerId": "player_1",
    "encounter": {"difficulty": "medium", "objectives": []},
    "state": {"currentObjectiveIndex": 0},
    "startedAt": "2025-11-07T10:30:00.000Z",
    "completedAt": None,
}


def deliver(
    body: bytes, routing_key: str = "session.write", properties: Properties | None = None
) -> Delivery:
    """Return a delivery with this body; its properties are encoded as in AMQP."""
    header = ContentHeader(body_size=len(body), properties=properties or Properties()).marshal()
    return Delivery("session.write", 1, False, routing_key, header, body)


def write_event(**session: object) -> dict[str, object]:
    """Return a valid write; these fields replace those of its session."""
    return {
        "specversion": "1.0",
        "id": "8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10",
        "source": "engine/eu-1",
        "type": "session.write",
        "subject": "sess_1",
        "data": {"revision": 1_762_511_400_123_000, "session": {**SESSION, **session}},
    }


def delete_event() -> dict[str, object]:
    """Return a valid delete."""
    return {**write_event(), "type": "session.delete", "data": {"revision": 2}}


def with_number(text: str, where: str = "state") -> bytes:
    """Return the body of a valid write with the number `text`, as spelled, in its session's field `where`."""
    return orjson.dumps(write_event(**{where: {"n": "NUMBER"}})).replace(b'"NUMBER"', text.encode())
