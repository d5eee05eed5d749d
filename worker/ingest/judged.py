"""A delivery from decoding to settling, as values."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from worker.broker.delivery import Delivery, Properties
from worker.ingest.fold import EventKey, Verdicts, key_of
from worker.ingest.law import verdict_of_repeat
from worker.outcome import Verdict
from worker.store.rows import EventRow


class Decoded(NamedTuple):
    """A delivery and the event in it, or the verdict that it holds none and what could be parsed of it."""

    delivery: Delivery
    properties: Properties | None
    event: EventRow | Verdict
    document: Mapping[str, object] = {}


class Judged(NamedTuple):
    """A delivery and its verdict; `event_id` and `subject` as far as they could be read."""

    delivery: Delivery
    properties: Properties | None
    event_id: str | None
    subject: str | None
    verdict: Verdict

    @property
    def reply_address(self) -> tuple[str, str] | None:
        """Where the publisher asked to be told and under which correlation id; None when it did not ask."""
        if self.properties and self.properties.reply_to and self.properties.correlation_id:
            return self.properties.reply_to, self.properties.correlation_id
        return None


def judge_deliveries(batch: Iterable[Decoded], verdicts: Verdicts) -> list[Judged]:
    """Return every delivery with its verdict; of one event delivered twice the second is the repeat."""
    told: set[EventKey] = set()
    return [_judge(decoded, verdicts, told) for decoded in batch]


def _judge(decoded: Decoded, verdicts: Verdicts, told: set[EventKey]) -> Judged:
    event = decoded.event
    if isinstance(event, Verdict):
        event_id, subject = _text(decoded.document.get("id")), _text(decoded.document.get("subject"))
        return Judged(decoded.delivery, decoded.properties, event_id, subject, event)
    key = key_of(event)
    verdict = verdict_of_repeat(verdicts[key]) if key in told else verdicts[key]
    told.add(key)
    return Judged(decoded.delivery, decoded.properties, str(event.event_id), event.session_id, verdict)


def _text(value: object) -> str | None:
    return value[:255] if isinstance(value, str) else None
