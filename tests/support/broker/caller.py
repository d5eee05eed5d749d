"""An engine's side of the broker: it publishes events and requests, and receives the replies."""

import asyncio
from collections.abc import Mapping
from time import time
from typing import Any, Final, Self
from uuid import uuid4

import aio_pika
import orjson
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage

from contracts.client.signer import MessageSigner
from contracts.signing import Keyring
from contracts.topology import DELETE_KEY, RPC_KEY, SIGNATURE_HEADER, WRITE_KEY, Topology

DIRECT_REPLY: Final = "amq.rabbitmq.reply-to"
REPLY_SECONDS: Final = 60.0

Json = dict[str, Any]


class Failed(Exception):
    """The reply was an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(error["message"])
        self.code: int = error["code"]
        self.reason: str = error["data"]["reason"]
        self.retryable: bool = error["data"]["retryable"]
        self.details: Any = error["data"]["details"]


class Caller:
    """One connection, which signs its messages if it has keys.

    `strays` are replies without a request, and second replies.
    """

    def __init__(self, connection: AbstractConnection, exchange: AbstractExchange, keys: str = "") -> None:
        self.connection = connection
        self.keyring = Keyring.parse(keys)
        self.strays: list[AbstractIncomingMessage] = []
        self._exchange = exchange
        self._waiting: dict[str, asyncio.Future[bytes]] = {}

    @classmethod
    async def connect(cls, url: str, topology: Topology, keys: str = "") -> Self:
        """Return a connected caller that consumes its replies."""
        connection = await aio_pika.connect(url, timeout=10)
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        caller = cls(connection, await channel.get_exchange(topology.sessions.name, ensure=False), keys)
        replies = await channel.get_queue(DIRECT_REPLY, ensure=False)
        await replies.consume(caller.take, no_ack=True)
        return caller

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Give a reply to the request that waits for it, or keep it as a stray."""
        waiting = self._waiting.pop(message.correlation_id or "", None)
        if waiting is None:
            self.strays.append(message)
        else:
            waiting.set_result(message.body)

    async def publish(self, body: bytes, routing_key: str = RPC_KEY, **properties: Any) -> None:
        """Publish a message with these properties, signed if there are keys; returns after the confirm."""
        message = aio_pika.Message(body, **properties)
        if self.keyring and SIGNATURE_HEADER not in message.headers:
            message.message_id = message.message_id or uuid4().hex
            MessageSigner(self.keyring, self._exchange.name).sign(message, routing_key)
        await self._exchange.publish(message, routing_key, timeout=10)

    async def send(self, body: bytes, routing_key: str = RPC_KEY, **properties: Any) -> bytes:
        """Return the reply to a message; its reply address and correlation id are our own unless given."""
        number = uuid4().hex
        self._waiting[number] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[number]
        await self.publish(
            body, routing_key, **{"reply_to": DIRECT_REPLY, "correlation_id": number, **properties}
        )
        async with asyncio.timeout(REPLY_SECONDS):
            return await waiting

    async def call(self, method: str, params: object = None, **properties: Any) -> Json:
        """Return a method's result; raises Failed with its error."""
        request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": {} if params is None else params}
        reply = orjson.loads(await self.send(orjson.dumps(request), **properties))
        assert reply["jsonrpc"] == "2.0"
        assert reply["id"] == 7
        if "error" in reply:
            assert "result" not in reply
            raise Failed(reply["error"])
        result: Json = reply["result"]
        return result

    async def query(self, filter: Mapping[str, object] | None = None, **options: object) -> Json:
        """Return one page of a query."""
        return await self.call("session.query", {"filter": dict(filter or {}), "options": options})

    async def write(self, session: Json, revision: int = 1) -> Json:
        """Return the confirmation of a write."""
        content = {"revision": revision, "session": session}
        return orjson.loads(await self.tell(WRITE_KEY, session["sessionId"], content))  # type: ignore[no-any-return]

    async def delete(self, session_id: str, revision: int) -> Json:
        """Return the confirmation of a delete."""
        return orjson.loads(await self.tell(DELETE_KEY, session_id, {"revision": revision}))  # type: ignore[no-any-return]

    async def tell(self, kind: str, session_id: str, content: Json) -> bytes:
        """Return the reply to an event."""
        return await self.send(make_event(kind, session_id, orjson.dumps(content)), kind)


def make_event(kind: str, session_id: str, content: bytes) -> bytes:
    """Return an event's body with this content, whose bytes stay as they are."""
    envelope = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "engine/tests",
        "type": kind,
        "subject": session_id,
    }
    return orjson.dumps({**envelope, "data": orjson.Fragment(content)})


def make_session(session_id: str, player_id: str = "player_1", /, **fields: object) -> Json:
    """Return a session with the required fields and these."""
    return {
        "sessionId": session_id,
        "playerId": player_id,
        "encounter": {},
        "state": {},
        "startedAt": "2025-11-07T10:30:00.000Z",
        **fields,
    }


def within(seconds: float) -> dict[str, int]:
    """Return the headers of a request that must be answered within these seconds."""
    return {"deadline": int((time() + seconds) * 1000)}
