"""Directories for the servers of a test run: each run has its own, without files of earlier runs.

They are in memory if there is enough: a run makes and drops a thousand databases, of 300 files each. A killed
server loses no data there; only a crash of the machine would lose it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import chain, count
from pathlib import Path
from typing import Final

from deploy.local.instance import LOCAL, PROJECT
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer

ENOUGH_BYTES: Final = 4 << 30
"""Four processes need 1.5 GB."""
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 — a directory of our own is made there
IN_MEMORY: Final = _MEMORY / f"session-store-{os.getuid()}-{sha256(bytes(PROJECT)).hexdigest()[:8]}"
PLACES: Final = (IN_MEMORY, LOCAL)


@contextmanager
def claim_slot(places: Sequence[Path] = PLACES) -> Iterator[Path]:
    """Yield an empty directory that no other run uses, in the first place with enough room.

    The lock ends with the process, however it ends; the files are deleted with the run.
    """
    clear_abandoned(places)
    place = next((place for place in places[:-1] if _has_room(place)), places[-1])
    place.mkdir(exist_ok=True)
    for number in count():
        slot = place / f"test-{number}"
        with _locked(slot) as mine:
            if mine:
                _clear(slot)
                slot.mkdir()
                try:
                    yield slot
                finally:
                    _clear(slot)
                return


def clear_abandoned(places: Sequence[Path] = PLACES) -> None:
    """End the servers of runs that are over, and delete their files."""
    for lock in chain.from_iterable(place.glob("test-*.lock") for place in places):
        slot = lock.with_suffix("")
        with _locked(slot) as mine:
            if mine:
                _clear(slot)


def _has_room(place: Path) -> bool:
    """Return whether this user owns the place, or can make it, and its file system has enough room."""
    if place.exists():
        ours = place.stat().st_uid == os.getuid() and not place.is_symlink()
    else:
        ours = os.access(place.parent, os.W_OK)
    return ours and shutil.disk_usage(place.parent).free >= ENOUGH_BYTES


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
