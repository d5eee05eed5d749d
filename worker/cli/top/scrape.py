"""Reads what another worker's `/metrics` says."""

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
class Look:
    """One look at a replica: its samples, or in `trouble` why there are none; `at` is monotonic, in seconds."""

    url: str
    at: float
    series: Series = field(default_factory=dict)
    trouble: str | None = None


async def look_at_all(urls: Sequence[str], timeout: float) -> list[Look]:
    """Return a look at each replica, in the order of the URLs, all taken at once within `timeout` seconds."""
    limit = aiohttp.ClientTimeout(total=timeout)
    async with aiohttp.ClientSession(timeout=limit) as session:
        return await asyncio.gather(*(_look(session, url) for url in urls))


async def _look(session: aiohttp.ClientSession, url: str) -> Look:
    try:
        async with session.get(url.rstrip("/") + PATH) as answer:
            body = await answer.content.read(MAX_BYTES)
            if answer.status != 200:
                return Look(url, monotonic(), trouble=f"HTTP status {answer.status}")
            while chunk := await answer.content.read(MAX_BYTES - len(body)):
                body += chunk
        return Look(url, monotonic(), read_exposition(body.decode()))
    except TimeoutError:
        return Look(url, monotonic(), trouble="no answer in time")
    except aiohttp.ClientConnectorError as error:
        return Look(url, monotonic(), trouble=_reason(error.os_error))
    except (aiohttp.ClientError, OSError) as error:
        return Look(url, monotonic(), trouble=type(error).__name__)
    except ValueError:
        return Look(url, monotonic(), trouble=FOREIGN)


def _reason(error: OSError) -> str:
    if error.errno and error.errno > 0:  # a name that is not found has a negative one
        return os.strerror(error.errno).lower()
    return error.strerror or "cannot be reached"
