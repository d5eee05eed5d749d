"""A stage on servers of its own, for the long runs outside the test suite."""

import asyncio
import logging
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.local.instance import LOCAL
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.stage.stage import Stage
from worker.store.migrations import migrate


@asynccontextmanager
async def own_stage(instance: str, seed: int) -> AsyncIterator[Stage]:
    """Yield a stage on servers under `.local/<instance>`, which are erased afterwards."""
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # lost connections are intended here
    postgres = PostgresServer(LOCAL / instance / "postgres")
    rabbit = RabbitServer(LOCAL / instance / "rabbitmq")
    try:
        await asyncio.to_thread(postgres.start)
        await asyncio.to_thread(rabbit.start)
        name = f"{instance}_{secrets.token_hex(4)}"
        await migrate(await asyncio.to_thread(postgres.create_database, name))
        stage = Stage(postgres, rabbit, name, f"{name}.", seed)
        try:
            yield stage
        finally:
            await stage.close()
    finally:
        postgres.erase()
        rabbit.erase()
        shutil.rmtree(LOCAL / instance, ignore_errors=True)
