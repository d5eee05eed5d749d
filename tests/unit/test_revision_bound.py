"""A revision far ahead of the clock is refused: no later write of the session would count."""

import time
from typing import Any, Final

import orjson
import pytest

from tests.support.events.deliveries import deliver, write_event
from worker.broker.delivery import Properties
from worker.ingest.decode import decode, decode_erasure
from worker.ingest.document import InvalidEvent
from worker.ingest.write_path import Limits

LARGEST: Final = 4096
CONTENT: Final[dict[str, Any]] = dict(write_event()["data"])  # type: ignore[call-overload]


def test_a_revision_that_no_clock_reaches_is_refused_and_kept_readable() -> None:
    delivery = deliver(orjson.dumps({**write_event(), "data": {**CONTENT, "revision": 1001}}))
    assert decode(delivery, Properties(), LARGEST, latest=1001).event.revision == 1001
    with pytest.raises(InvalidEvent) as refused:
        decode(delivery, Properties(), LARGEST, latest=1000)
    assert refused.value.code == "revision_ahead"
    assert refused.value.message.startswith("data.revision must not be greater than 1000 now")
    assert refused.value.document["subject"] == "sess_1"


def test_an_erasure_is_bounded_too() -> None:
    body = orjson.dumps(
        {**write_event(), "data": {"revision": 1001}, "type": "player.erase", "subject": "player_1"}
    )
    assert decode_erasure(deliver(body), Properties(), LARGEST, latest=1001).data.revision == 1001
    with pytest.raises(InvalidEvent) as refused:
        decode_erasure(deliver(body), Properties(), LARGEST, latest=1000)
    assert refused.value.code == "revision_ahead"


def test_the_bound_follows_the_clock_and_can_be_lifted() -> None:
    limits = Limits(batch=1, body=LARGEST, patience=1, revision_lead=60)
    assert 59 < limits.latest_revision() / 1_000_000 - time.time() < 61
    assert Limits(batch=1, body=LARGEST, patience=1).latest_revision() == 2**53 - 1
