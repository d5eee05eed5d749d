"""Reads the `/metrics` of other workers."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import aiohttp

from worker.observability.metrics import Series, read_exposition

PATH: Final = "/metrics"
FOREIGN: Final = "no metrics of a worker there"
MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Scrape:
    """The samples of a replica, or in `failure` why there are none; `at` is monotonic, in seconds."""

    url: str
    at: float
    series: Series = field(default_factory=dict)
    failure: str | None = None


async def scrape_all(urls: Sequence[str], timeout: float) -> list[Scrape]:
    """Return a scrape of each replica, in the order of the URLs, all at once and within `timeout` seconds."""
    limit = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=limit) as session:
        return await asyncio.gather(*(_scrape(session, url) for url in urls))


async def _scrape(session: aiohttp.ClientSession, url: str) -> Scrape:
    try:
        async with session.get(url.rstrip("/") + PATH) as answer:
            body = await answer.content.read(MAX_BYTES)
            if answer.status != 200:
                return Scrape(url, monotonic(), failure=f"HTTP status {answer.status}")
            while chunk := await answer.content.read(MAX_BYTES - len(body)):
                body += chunk
        return Scrape(url, monotonic(), read_exposition(body.decode()))
    except TimeoutError:
        return Scrape(url, monotonic(), failure="no answer in time")
    except aiohttp.ClientConnectorError as error:
        return Scrape(url, monotonic(), failure=_reason(error.os_error))
    except (aiohttp.ClientError, OSError) as error:
        return Scrape(url, monotonic(), failure=type(error).__name__)
    except ValueError:
        return Scrape(url, monotonic(), failure=FOREIGN)


def _reason(error: OSError) -> str:
    if error.errno and error.errno > 0:  # a name that is not found has a negative one
        return os.strerror(error.errno).lower()
    return error.strerror or "cannot be reached"
