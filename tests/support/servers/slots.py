"""Directories for the servers of a test run: each run has its own, free of what earlier ones left."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from deploy.local.instance import LOCAL
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer


@contextmanager
def claim_slot() -> Iterator[Path]:
    """Yield an empty directory that no other run uses; the lock goes with the process, however it ends."""
    LOCAL.mkdir(exist_ok=True)
    clear_abandoned()
    for number in count():
        slot = LOCAL / f"test-{number}"
        with _locked(slot) as mine:
            if mine:
                _clear(slot)
                slot.mkdir()
                yield slot
                return


def clear_abandoned() -> None:
    """Have the servers of runs that are over ended, and their files gone."""
    for lock in LOCAL.glob("test-*.lock"):
        slot = lock.with_suffix("")
        with _locked(slot) as mine:
            if mine:
                _clear(slot)


@contextmanager
def _locked(slot: Path) -> Iterator[bool]:
    with slot.with_name(f"{slot.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _clear(slot: Path) -> None:
    for record in [
        *slot.glob("*/record.json"),
        *slot.glob("*/node-*/record.json"),
        *slot.glob("*/epmd/record.json"),
    ]:
        kind = PostgresServer if record.parent.name.startswith("postgres") else RabbitServer
        kind(record.parent).erase()
    shutil.rmtree(slot, ignore_errors=True)
