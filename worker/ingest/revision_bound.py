"""How far a revision may be ahead of the clock: after one at the end of the range no write would count."""

from contracts.limits import MAX_REVISION


def latest_revision(lead_seconds: float, now: float) -> int:
    """Return the greatest revision that an event may have `now`, in seconds since the epoch; 0 s mean any.

    The revision is in microseconds since the epoch.
    """
    return MAX_REVISION if lead_seconds == 0 else int((now + lead_seconds) * 1_000_000)


def describe_ahead(revision: int, latest: int) -> str:
    """Return the sentence for a revision that is greater than `latest`."""
    return f"data.revision must not be greater than {latest} now, in microseconds since the epoch (got {revision})"
