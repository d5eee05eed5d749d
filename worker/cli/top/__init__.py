"""`top`: shows the state and the rates of replicas live."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.live import Live
from yarl import URL

from worker.cli.console import print_table, run_to_end
from worker.cli.top.figures import Snapshot, take_snapshot
from worker.cli.top.scrape import Scrape, scrape_all
from worker.cli.top.tables import Sheet, draw_sheets, render
from worker.settings.config import Settings
from worker.settings.loading import load

TIMEOUT_SECONDS: Final = 2.0
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def watch(
    url: Annotated[
        list[str] | None,
        typer.Option("--url", help="A replica's address, such as http://127.0.0.1:9464; may be repeated."),
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between snapshots.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one snapshot and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document for each snapshot.")] = False,
) -> None:
    """Show the state and the rates of replicas until Ctrl-C."""
    urls = [_check(given) for given in url or _addresses_here()]
    console = Console(highlight=False)
    with suppress(KeyboardInterrupt):
        if once or as_json or not console.is_terminal:
            run_to_end(_print(urls, interval, once=once, as_json=as_json))
        else:
            run_to_end(_show(urls, interval, console))


async def _print(urls: Sequence[str], interval: float, *, once: bool, as_json: bool) -> None:
    async for snapshot in _snapshots(urls, interval):
        if as_json:
            print(orjson.dumps(snapshot).decode(), flush=True)
        else:
            _print_sheets(draw_sheets(snapshot))
        if once:
            return


def _print_sheets(sheets: Sequence[Sheet]) -> None:
    for sheet in sheets:
        if sheet.rows:
            print_table(sheet.columns, sheet.rows)
            print(flush=True)


async def _show(urls: Sequence[str], interval: float, console: Console) -> None:
    with Live(console=console, screen=True, auto_refresh=False) as live:
        async for snapshot in _snapshots(urls, interval):
            note = f"{datetime.now().astimezone():%H:%M:%S}, every {interval:g} s, Ctrl-C ends"
            live.update(render(draw_sheets(snapshot), note), refresh=True)


async def _snapshots(urls: Sequence[str], interval: float) -> AsyncIterator[Snapshot]:
    """Yield a snapshot every `interval` seconds; the first after one interval, because rates need two scrapes."""
    before = await _scrape(urls, interval)
    while True:
        await asyncio.sleep(interval)
        now = await _scrape(urls, interval)
        yield take_snapshot(before, now)
        before = now


async def _scrape(urls: Sequence[str], interval: float) -> list[Scrape]:
    return await scrape_all(urls, max(interval, TIMEOUT_SECONDS))


def _check(url: str) -> str:
    address = URL(url)
    if address.scheme not in ("http", "https") or not address.host:
        raise typer.BadParameter(f"{url} must begin with http:// or https:// and name a host")
    return url


def _addresses_here() -> list[str]:
    settings = load(required=()).settings
    return settings.replicas.split() or [_address_of(settings)]


def _address_of(settings: Settings) -> str:
    if settings.http_port == 0:
        raise typer.BadParameter(
            "SESSION_STORE_HTTP_PORT is 0: give --url with the port that the worker logged"
        )
    host = EVERYWHERE.get(settings.http_host, settings.http_host)
    return f"http://[{host}]:{settings.http_port}" if ":" in host else f"http://{host}:{settings.http_port}"
