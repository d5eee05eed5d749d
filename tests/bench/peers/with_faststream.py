"""The program of `plain` with FastStream and pydantic models."""

import os
from datetime import datetime
from typing import Any

import asyncpg
import orjson
import uvloop
from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from pydantic import BaseModel, ConfigDict, Field

from tests.bench.peers.upsert import UPSERT


class Session(BaseModel):
    """A session as an event has it."""

    model_config = ConfigDict(extra="allow")
    session_id: str = Field(alias="sessionId", min_length=1, max_length=255)
    player_id: str = Field(alias="playerId", min_length=1, max_length=255)
    encounter: dict[str, Any]
    state: dict[str, Any]
    started_at: datetime = Field(alias="startedAt")
    completed_at: datetime | None = Field(default=None, alias="completedAt")


class Content(BaseModel):
    """The content of a write."""

    revision: int
    session: Session


class Event(BaseModel):
    """A CloudEvent."""

    id: str
    type: str
    subject: str
    data: Content


broker = RabbitBroker(os.environ["AMQP_URL"], logger=None, default_channel=Channel(prefetch_count=100))
app = FastStream(broker, logger=None)
pools: list[asyncpg.Pool] = []


@app.on_startup
async def connect() -> None:
    """Connect to the database."""
    pools.append(await asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=10))


@broker.subscriber(RabbitQueue("session.write", declare=False))
async def store(body: bytes) -> None:
    """Store one session in a transaction; it is acknowledged on return."""
    event = Event.model_validate_json(body)
    session = event.data.session
    async with pools[0].acquire() as database, database.transaction():
        await database.execute(
            UPSERT,
            session.session_id,
            session.player_id,
            orjson.dumps(session.encounter).decode(),
            orjson.dumps(session.state).decode(),
            session.started_at,
            session.completed_at,
            event.data.revision,
            orjson.dumps(session.model_extra).decode() if session.model_extra else None,
        )


uvloop.run(app.run())
