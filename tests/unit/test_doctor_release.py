"""The doctor judges the broker's release."""

from typing import cast

import pytest

from worker.broker.examination import ExaminedBroker
from worker.broker.release import Release
from worker.doctor.broker.server import check_version
from worker.doctor.finding import State


class Broker:
    """A fake broker of a release."""

    def __init__(self, release: Release) -> None:
        self._release = release

    def release(self) -> Release:
        return self._release


@pytest.mark.parametrize(
    ("product", "version", "state"),
    [
        ("RabbitMQ", "3.9.29", State.ERROR),
        ("RabbitMQ", "3.10.8", State.OK),
        ("RabbitMQ", "4.2.5", State.OK),
        ("RabbitMQ", "4.2.6", State.WARNING),
        ("RabbitMQ", "4.3.0", State.WARNING),
        ("RabbitMQ", "4.3.1", State.OK),
        ("another broker", "4.3.0", State.OK),
    ],
)
async def test_a_release_that_is_too_old_or_hides_counts_is_found(
    product: str, version: str, state: State
) -> None:
    finding = await check_version(cast(ExaminedBroker, Broker(Release(product, version))))
    assert finding.state is state
    assert version in finding.message
