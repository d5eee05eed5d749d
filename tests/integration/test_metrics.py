"""The metrics of a real worker agree with the published events and requests."""

from collections.abc import AsyncIterator

import pytest

from contracts.topology import WRITE_KEY
from tests.support.broker.caller import Failed
from tests.support.programs.watched_worker import Installation, install, until, write_body
from worker.observability.history import total
from worker.observability.metrics import Series


@pytest.fixture
async def installed(database_url: str, amqp_url: str, prefix: str) -> AsyncIterator[Installation]:
    """Yield a running worker."""
    async with install(database_url, amqp_url, prefix) as installation:
        yield installation


def labelled(series: Series, name: str) -> dict[tuple[str, ...], float]:
    """Return the values of a metric that are not 0, by the values of its labels."""
    found = ((labels, value) for (sample, labels), value in series.items() if sample == name)
    return {tuple(text for _, text in labels): value for labels, value in found if value}


async def test_events_are_counted_by_outcome_and_code(installed: Installation) -> None:
    bodies = [write_body(f"session {number}", 2) for number in range(20)]
    for body in [*bodies, *bodies[:5], write_body("session 0", 1), b"no JSON", write_body("", 1)]:
        await installed.caller.publish(body, WRITE_KEY)
    await installed.settle()
    await installed.dead_letters(2)
    await until(lambda: total(installed.worker.metrics.read(), "events_total") == 29)
    series = installed.worker.metrics.read()
    counted = {word: value for (word,), value in labelled(series, "session_store_events_total").items()}
    assert counted == {"stored": 21, "duplicate": 5, "superseded": 1, "rejected": 2}
    dead = {code: value for (code,), value in labelled(series, "session_store_dead_letters_total").items()}
    assert dead == {"bad_json": 1, "bad_id": 1}
    assert labelled(series, "session_store_batch_events_sum") == {(): 29}


async def test_calls_are_counted_by_method_and_result(installed: Installation) -> None:
    before = labelled(installed.worker.metrics.read(), "session_store_rpc_requests_total")
    for _ in range(3):
        await installed.caller.call("session.count")
    for method in ("session.read", "no.such.method"):
        with pytest.raises(Failed):
            await installed.caller.call(method, {"sessionId": ""})
    series = installed.worker.metrics.read()
    after = labelled(series, "session_store_rpc_requests_total")
    assert {labels: value - before.get(labels, 0) for labels, value in after.items()} == {
        ("health.check", "ok"): 0,
        ("session.count", "ok"): 3,
        ("session.read", "invalid_params"): 1,
        ("unknown", "unknown_method"): 1,
    }
