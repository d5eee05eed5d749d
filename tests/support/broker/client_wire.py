"""A wire for the Python client that is a list of what was said, and answers as it is told to."""

from collections.abc import Callable
from typing import Any

import orjson

from contracts.client import SessionStore
from contracts.client.messages import Message

SESSION = {
    "sessionId": "sess_1",
    "playerId": "player_1",
    "encounter": {},
    "state": {},
    "startedAt": "2025-11-07T10:30:00.000Z",
}
Answer = dict[str, Any]
Answering = Callable[[Answer], Answer]


class Wire:
    """Publishes into a list and answers with what `answering` returns."""

    def __init__(self) -> None:
        self.said: list[Answer] = []
        self.answering: Answering = lambda _: {"result": {"record": None}}

    async def publish(self, message: Message, deadline: float) -> None:
        self.said.append(orjson.loads(message.body))

    async def ask(self, message: Message, deadline: float) -> Answer:
        await self.publish(message, deadline)
        return orjson.loads(orjson.dumps(self.answering(self.said[-1])))  # type: ignore[no-any-return]


def client(**options: Any) -> SessionStore:
    return SessionStore("amqp://nowhere", **options)


def told(outcome: str, revision: int | None, **more: Any) -> Answer:
    return {"id": None, "subject": None, "outcome": outcome, "revision": revision, **more}
