"""Silent consumers of requests are replaced, on brokers that may swallow their deliveries."""

from dataclasses import dataclass
from time import monotonic
from typing import cast

import pytest

from worker.broker.intake import Intake
from worker.broker.release import Release
from worker.serving import renewal
from worker.serving.renewal import Renewal

RABBITMQ_3 = Release("RabbitMQ", "3.10.8")
RABBITMQ_4 = Release("RabbitMQ", "4.0.5")
UNKNOWN = Release("unknown", "unknown")


@dataclass
class Receiving:
    """A fake intake."""

    last_arrival: float = 0.0
    unacknowledged: int = 0


def is_due(intake: Receiving, release: Release = RABBITMQ_3) -> bool:
    return Renewal(cast(Intake, intake), release).is_due()


def test_an_intake_that_was_just_opened_stays() -> None:
    assert not is_due(Receiving())


@pytest.mark.parametrize(
    ("intake", "release", "due"),
    [
        (Receiving(), RABBITMQ_3, True),
        (Receiving(last_arrival=monotonic() + 3_600), RABBITMQ_3, False),
        (Receiving(unacknowledged=1), RABBITMQ_3, False),
        (Receiving(), RABBITMQ_4, False),
        (Receiving(), UNKNOWN, False),
    ],
)
def test_a_silent_one_is_replaced_on_rabbitmq_3_unless_it_serves(
    monkeypatch: pytest.MonkeyPatch, intake: Receiving, release: Release, due: bool
) -> None:
    monkeypatch.setattr(renewal, "RENEW_SECONDS", 0.0)
    assert is_due(intake, release) is due
