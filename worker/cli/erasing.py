"""`erase`: removes a player's sessions and dead letters, and keeps late events out."""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import time
from typing import Annotated

import typer

from contracts.limits import MAX_REVISION
from contracts.replies import Receipt
from contracts.topology import Topology
from worker.broker.changes import open_changes, sign_changes
from worker.broker.connection import connected
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.loading import load
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.cli.storage import prepared_storage
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.removal import remove_dead_letters
from worker.errors import BrokerUnavailable, StorageUnavailable
from worker.ingest.changes import messages_of
from worker.ingest.erasing import Announce, Erased, Eraser, receipt_of
from worker.observability.logs import configure_logs
from worker.retry import retry, within
from worker.settings.config import Settings
from worker.settings.keyring import keyring_of
from worker.store.rows import EventRow
from worker.store.storage import Storage

Player = Annotated[str, typer.Option("--player", help="The player's id; - reads it from standard input.")]
UpTo = Annotated[
    int | None,
    typer.Option(
        "--revision",
        min=1,
        max=MAX_REVISION,
        help="Remove sessions up to this revision; the default is up to now.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def erase(
    player: Player,
    revision: UpTo = None,
    yes: Yes = False,
    database_url: DatabaseUrl = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    as_json: AsJson = False,
) -> None:
    """Erase a player permanently, and print a receipt. Asks first, unless --yes is given.

    Sessions and dead letters are removed; an older write that arrives later is superseded. Exit status 1 when
    something remains. It may be run again.
    """
    player_id = _read_player() if player == "-" else player
    if not yes and (player == "-" or not sys.stdin.isatty()):
        raise typer.BadParameter("this removes sessions permanently: add --yes")
    settings = load({"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix}).settings
    configure_logs(settings.log_level, settings.log_format)
    if not yes:
        typer.confirm("erase this player permanently?", abort=True, err=True)
    receipt = run_to_end(_erase(settings, player_id, revision))
    facts = receipt.model_dump(mode="json", by_alias=True)
    if as_json:
        print_json(facts)
    else:
        print_table(("receipt", ""), [(name, str(value)) for name, value in facts.items()])
    if receipt.remaining_sessions or receipt.remaining_dead_letters:
        raise typer.Exit(1)


def _read_player() -> str:
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\n")
    except UnicodeDecodeError:
        raise typer.BadParameter("standard input is not UTF-8 text", param_hint="--player") from None
    except OSError as error:
        message = f"standard input cannot be read: {error.strerror}"
        raise typer.BadParameter(message, param_hint="--player") from None


async def _erase(settings: Settings, player_id: str, revision: int | None) -> Receipt:
    url = settings.amqp_url.get_secret_value()
    async with (
        prepared_storage(settings) as storage,
        _announcing(settings, url) as announce,
    ):
        eraser = Eraser(storage.erasures, storage.deleter, announce)
        erased = await _erase_sessions(storage, eraser, player_id, revision, settings.patience_s)
    dead_letters = await remove_dead_letters(
        url, Topology(settings.prefix), DeadLetterFilter(player=player_id)
    )
    return receipt_of(player_id, erased, dead_letters.removed, dead_letters.remaining)


@asynccontextmanager
async def _announcing(settings: Settings, url: str) -> AsyncIterator[Announce | None]:
    """Yield the function that announces deletes to the changes feed; None where the feed is off."""
    if not settings.changes_feed:
        yield None
        return
    exchange = Topology(settings.prefix).changes.name
    async with connected(url, "session-store erase", settings.connection_timeout_s) as connection:
        line = await open_changes(connection, settings.connection_timeout_s)

        async def announce(deletes: Sequence[EventRow]) -> None:
            messages = sign_changes(messages_of(deletes, exchange), exchange, keyring_of(settings))
            if refused := await line.publish(exchange, messages):
                raise BrokerUnavailable(f"the broker refuses the changes feed: {refused[0][1]}")

        yield announce


async def _erase_sessions(
    storage: Storage, eraser: Eraser, player_id: str, revision: int | None, patience: float
) -> Erased:
    """Erase up to the revision; try again while the database is away or busy, for `patience` seconds."""
    up_to = revision

    async def erase_once() -> Erased:
        nonlocal up_to
        if up_to is None:
            greatest = (await storage.erasures.count(player_id, 0)).greatest or 0
            up_to = max(int(time() * 1_000_000), greatest)
        return await eraser.erase(player_id, up_to, again=True)  # this may be the second run

    return await retry(erase_once, StorageUnavailable, within(patience))
