"""When an event was published, by its publisher's clock."""

from datetime import datetime

import orjson


def published_at(body: bytes) -> float | None:
    """Return the `time` of the event in a body, in seconds since the epoch; None where it cannot be told."""
    try:
        return datetime.fromisoformat(orjson.loads(body)["time"]).timestamp()
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
