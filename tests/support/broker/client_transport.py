"""A transport for the Python client: it keeps sent messages in a list, and the test chooses the replies."""

from collections.abc import Callable
from typing import Any

import orjson

from contracts.client import SessionStore
from contracts.client.events import OutgoingMessage

SESSION = {
    "sessionId": "sess_1",
    "playerId": "player_1",
    "encounter": {},
    "state": {},
    "startedAt": "2025-11-07T10:30:00.000Z",
}
Reply = dict[str, Any]
Answering = Callable[[Reply], Reply]


class FakeTransport:
    """Publishes into a list, and replies with the result of `answering`."""

    def __init__(self) -> None:
        self.sent: list[Reply] = []
        self.answering: Answering = lambda _: {"result": {"record": None}}

    async def publish(self, message: OutgoingMessage, deadline: float) -> None:
        self.sent.append(orjson.loads(message.body))

    async def request(self, message: OutgoingMessage, deadline: float) -> Reply:
        await self.publish(message, deadline)
        return orjson.loads(orjson.dumps(self.answering(self.sent[-1])))  # type: ignore[no-any-return]


def client(**options: Any) -> SessionStore:
    return SessionStore("amqp://nowhere", **options)


def confirmation(outcome: str, revision: int | None, **more: Any) -> Reply:
    return {"id": None, "subject": None, "outcome": outcome, "revision": revision, **more}
