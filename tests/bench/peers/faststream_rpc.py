"""The same read as FastStream's RPC: a subscriber that returns the reply."""

import os
from typing import Any

import asyncpg
import orjson
import uvloop
from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from pydantic import BaseModel

READ = """
SELECT session_id, player_id, encounter::text, state::text, started_at, completed_at, revision, created_at,
       updated_at
  FROM sessions WHERE session_id = $1
"""


class Question(BaseModel):
    """The parameters of a read."""

    session_id: str


broker = RabbitBroker(os.environ["AMQP_URL"], logger=None, default_channel=Channel(prefetch_count=64))
app = FastStream(broker, logger=None)
pools: list[asyncpg.Pool] = []


@app.on_startup
async def connect() -> None:
    """Connect to the database."""
    pools.append(await asyncpg.create_pool(os.environ["DATABASE_URL"], max_size=10))


@broker.subscriber(RabbitQueue("bench.faststream", auto_delete=True))
async def read(question: Question) -> bytes:
    """Return one session as JSON."""
    row: Any = await pools[0].fetchrow(READ, question.session_id)
    session = dict(row) | {name: orjson.Fragment(row[name]) for name in ("encounter", "state")}
    return orjson.dumps({"record": session})


uvloop.run(app.run())
