"""Replicas are restarted one after the other, as at an upgrade: no delivery repeats and no call fails."""

from tests.faults.rolling import Rolling
from tests.support.selection import long
from tests.support.stage.stage import Stage


@long("replicas are restarted for 20 s; continuous integration does it on the newest RabbitMQ")
async def test_rolling_restarts_redeliver_nothing_and_fail_no_call(calm_stage: Stage) -> None:
    rolling = Rolling(calm_stage, rate=500, surge=False)
    report = await rolling.roll(restarts=3)
    assert report.is_clean, report
    rolled = rolling.rolled
    assert (rolled.restarts, rolled.redelivered, rolled.failed) == (3, 0, 0), rolled
    assert rolled.calls > 0
