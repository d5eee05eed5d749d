"""The database's disk is full."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.stage.stage import Stage
from worker.store.migrations import migrate

MEGABYTE = 1 << 20
SIZE = 160  # of the whole disk in MiB; a new PostgreSQL cluster takes 40
DATABASE = "full"


@pytest.fixture
def disk() -> Iterator[Path]:
    """Yield the root of a small file system, where the server's user can reach it."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system that is small enough to be filled")
    root = Path(tempfile.mkdtemp(prefix="session-store-disk-"))
    root.chmod(0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", root], check=True)
    yield root
    subprocess.run(["umount", "--lazy", root], check=True)
    root.rmdir()


@pytest.fixture
async def stage_on_disk(
    disk: Path, rabbit_server: RabbitServer, prefix: str, fault_seed: int
) -> AsyncIterator[Stage]:
    """Yield a stage whose database is on that file system."""
    postgres = PostgresServer(disk / "postgres")
    try:
        await asyncio.to_thread(postgres.start)
        await migrate(postgres.create_database(DATABASE))
        stage = Stage(postgres, rabbit_server, DATABASE, prefix, fault_seed)
        await stage.prepare()
        yield stage
        await stage.close()
    finally:
        postgres.erase()


async def test_a_full_disk_is_waited_for(
    stage_on_disk: Stage, disk: Path, back_in_time: Callable[[float], None]
) -> None:
    stage = stage_on_disk
    replica = await stage.start_replica({"SESSION_STORE_PATIENCE_S": "1"})
    await stage.publish(500)
    filler = disk / "filler"
    _fill(filler)
    await stage.producer.publish(replace(stage.make_probe(), asks=False) for _ in range(3000))
    await replica.logged("consuming.paused")
    assert "disk full" in {line.get("reason") for line in replica.log}
    filler.unlink()
    await asyncio.to_thread(stage.postgres.start)
    back_in_time(await stage.probe())
    report = await stage.finish()
    assert report.is_clean, report


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * MEGABYTE)
        except OSError:
            return
