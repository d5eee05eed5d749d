"""`erase`: a player's sessions and dead letters go, and late events bring nothing back."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import Annotated

import typer

from contracts.replies import Receipt
from contracts.scalars import MAX_REVISION
from contracts.topology import Topology
from worker.backoff import Backoff
from worker.broker.changes import open_changes, sign_changes
from worker.broker.connection import connected
from worker.cli.console import print_json, print_table, run_to_end
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.cli.storage import prepared_storage
from worker.dead_letters.filter import DeadLetterFilter
from worker.dead_letters.removal import remove_dead_letters
from worker.errors import BrokerUnavailable, StorageUnavailable
from worker.ingest.changes import messages_of
from worker.ingest.erasing import Announce, Erased, Eraser, receipt_of
from worker.observability.logs import configure_logs
from worker.settings.config import Settings, load
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
        help="What was written up to it goes; otherwise what was written up to now.",
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
    """Erase a player for good, and print a receipt. Asks first, unless --yes is given.

    Sessions and dead letters go; a write of before that comes later is superseded. Exit status 1 when something
    was left. Running it again is safe.
    """
    player_id = sys.stdin.readline().rstrip("\n") if player == "-" else player
    if not yes and (player == "-" or not sys.stdin.isatty()):
        raise typer.BadParameter("this removes sessions for good: add --yes")
    given = {"database_url": database_url, "amqp_url": amqp_url, "prefix": prefix}
    settings = load(given, ["DATABASE_URL", "AMQP_URL"]).settings
    configure_logs(settings.log_level, settings.log_format)
    if not yes:
        typer.confirm("erase this player for good?", abort=True, err=True)
    receipt = run_to_end(_erase(settings, player_id, revision))
    facts = receipt.model_dump(mode="json", by_alias=True)
    if as_json:
        print_json(facts)
    else:
        print_table(("receipt", ""), [(name, str(value)) for name, value in facts.items()])
    if receipt.remaining_sessions or receipt.remaining_dead_letters:
        raise typer.Exit(1)


async def _erase(settings: Settings, player_id: str, revision: int | None) -> Receipt:
    url = settings.amqp_url.get_secret_value()
    async with (
        prepared_storage(settings, settings.statement_timeout_ms / 1000) as storage,
        _announcing(settings, url) as announce,
    ):
        eraser = Eraser(storage.erasures, storage.deleter, announce)
        erased = await _erase_sessions(storage, eraser, player_id, revision, settings.patience_s)
    letters = await remove_dead_letters(url, Topology(settings.prefix), DeadLetterFilter(player=player_id))
    return receipt_of(player_id, erased, letters.letters, letters.remaining)


@asynccontextmanager
async def _announcing(settings: Settings, url: str) -> AsyncIterator[Announce | None]:
    """Yield what tells the changes feed of what is removed; None where it is off."""
    if not settings.changes_feed:
        yield None
        return
    exchange = Topology(settings.prefix).changes.name
    async with connected(url, "session-store erase", settings.connection_timeout_ms / 1000) as connection:
        line = await open_changes(connection, settings.connection_timeout_ms / 1000)

        async def announce(deletes: Sequence[EventRow]) -> None:
            messages = sign_changes(messages_of(deletes, exchange), exchange, keyring_of(settings))
            if refused := await line.publish(exchange, messages):
                raise BrokerUnavailable(f"the broker refuses the changes feed: {refused[0][1]}")

        yield announce


async def _erase_sessions(
    storage: Storage, eraser: Eraser, player_id: str, revision: int | None, patience: float
) -> Erased:
    """Erase up to the revision, again and again while the database is away or busy."""
    backoff, started = Backoff(first=0.05, limit=2.0), monotonic()
    while True:
        try:
            if revision is None:
                greatest = (await storage.erasures.count(player_id, 0)).greatest or 0
                revision = max(int(time() * 1_000_000), greatest)
            return await eraser.erase(player_id, revision, again=True)  # this may be the second run
        except StorageUnavailable:
            if monotonic() - started > patience:
                raise
        await asyncio.sleep(backoff.next())
