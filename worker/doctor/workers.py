"""Whether a worker answers a request that comes over the broker, as an engine's does."""

from datetime import UTC, datetime
from typing import Final

from contracts.client import Misconfigured, ReplyUnverified, SessionStore, SignatureRefused
from contracts.client import SessionStoreError as ClientError
from contracts.replies import HealthResult
from worker.broker.connection import is_access_refused
from worker.doctor.finding import Finding, error, ok, skipped, warning
from worker.settings.config import Settings

MAX_LAG_SECONDS: Final = 60.0
MAX_SECONDS_APART: Final = 2.0
COMPARE_KEYS: Final = (
    "session-store config  # compare the ids in SESSION_STORE_SIGNING_KEYS on both sides, and the clocks"
)


def _compare_clocks(health: HealthResult, asked: datetime, answered: datetime) -> str | None:
    """Return by how much the worker's clock differs for certain, None for less than 2 s."""
    if health.time is None:
        return None
    if (ahead := (health.time - answered).total_seconds()) > MAX_SECONDS_APART:
        return f"the worker's clock is {ahead:.0f} s ahead of this host's"
    if (behind := (asked - health.time).total_seconds()) > MAX_SECONDS_APART:
        return f"the worker's clock is {behind:.0f} s behind this host's"
    return None


async def check_answer(settings: Settings, release: str, timeout: float) -> Finding:
    """Find workers that do not answer, are not healthy, lag behind, have another clock or another release."""
    try:
        async with SessionStore(
            settings.amqp_url.get_secret_value(),
            prefix=settings.prefix,
            source="session-store doctor",
            timeout=timeout,
            keys=settings.signing_keys.get_secret_value(),
        ) as store:
            asked = datetime.now(UTC)
            health = await store.health()
            answered = datetime.now(UTC)
    except (SignatureRefused, ReplyUnverified) as failure:
        return error(str(failure), COMPARE_KEYS)
    except Misconfigured as failure:
        if is_access_refused(failure):
            return skipped(
                "this login may not send requests, and a worker need not; run session-store health as a caller"
            )
        return error(str(failure), "session-store topology")
    except ClientError as failure:
        return error(str(failure), "session-store run  # where one runs: its log says why it does not answer")
    return _judge(health, release, _compare_clocks(health, asked, answered))


def _judge(health: HealthResult, release: str, clocks: str | None) -> Finding:
    message = f"release {health.version}, database {health.database}, oldest event {health.lag_seconds:.0f} s"
    if not health.ok:
        return error(message, "read that worker's /readyz and log; session-store top shows each replica")
    if clocks:
        return warning(f"{message}; {clocks}", "timedatectl set-ntp true  # on the host whose clock is wrong")
    if health.lag_seconds > MAX_LAG_SECONDS:
        return warning(message, "session-store top  # shows the part that delays the events")
    if health.version != release:
        return warning(f"{message}; this command is {release}", "upgrade the older of the two")
    return ok(message)
