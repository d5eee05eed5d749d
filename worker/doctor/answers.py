"""Whether a worker answers, asked over the broker as an engine asks."""

from typing import Final

from contracts.client import Misconfigured, ReplyUnverified, SessionStore, SignatureRefused
from contracts.client import SessionStoreError as ClientError
from worker.broker.examination import is_refusal
from worker.finding import Finding, ok, skipped, warning, wrong

MOST_LAG_SECONDS: Final = 60.0
KEYS: Final = (
    "session-store config  # compare the ids in SESSION_STORE_SIGNING_KEYS here and there, and the clocks"
)


async def examine_answer(url: str, prefix: str, keys: str, release: str, timeout: float) -> Finding:
    """Find workers that do not answer, are not well, lag behind or are of another release than `release`."""
    try:
        async with SessionStore(
            url, prefix=prefix, source="session-store doctor", timeout=timeout, keys=keys
        ) as store:
            health = await store.health()
    except (SignatureRefused, ReplyUnverified) as error:
        return wrong(str(error), KEYS)
    except Misconfigured as error:
        if is_refusal(error):
            return skipped(
                "this login may not ask, as a worker's need not; session-store health says it as a caller"
            )
        return wrong(str(error), "session-store topology")
    except ClientError as error:
        return wrong(str(error), "session-store run  # or look into a worker's log, why it does not answer")
    said = f"release {health.version}, database {health.database}, oldest event {health.lag_seconds:.0f} s"
    if not health.ok:
        return wrong(said, "look at that worker's /readyz and log; session-store top shows each replica")
    if health.lag_seconds > MOST_LAG_SECONDS:
        return warning(said, "session-store top  # shows what holds the events up")
    if health.version != release:
        return warning(f"{said}; this command is {release}", "upgrade the older of the two")
    return ok(said)
