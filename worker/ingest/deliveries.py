"""A delivery from decoding to settling, as values."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Self

from worker.broker.delivery import Delivery, Properties
from worker.ingest.fold import VerdictCursor, Verdicts
from worker.outcome import Verdict
from worker.store.rows import EventRow

LONGEST: Final = 255  # characters of what a refused event says of itself


class Decoded(NamedTuple):
    """A delivery and the event in it, or the verdict that it holds none and what could be parsed of it."""

    delivery: Delivery
    properties: Properties | None
    event: EventRow | Verdict
    document: Mapping[str, object] = {}


class Settlement(NamedTuple):
    """A delivery and its verdict; `event_id` and `subject` as far as they could be read.

    `event` is a session's, where the delivery holds one.
    """

    delivery: Delivery
    properties: Properties | None
    event_id: str | None
    subject: str | None
    verdict: Verdict
    event: EventRow | None = None

    @classmethod
    def without_event(
        cls,
        delivery: Delivery,
        properties: Properties | None,
        verdict: Verdict,
        document: Mapping[str, object],
    ) -> Self:
        """Return a delivery that holds no event, with what its document says of itself."""
        told = (document.get(name) for name in ("id", "subject"))
        event_id, subject = (value[:LONGEST] if isinstance(value, str) else None for value in told)
        return cls(delivery, properties, event_id, subject, verdict)

    @property
    def reply_address(self) -> tuple[str, str] | None:
        """Where the publisher asked to be told and under which correlation id; None when it did not ask."""
        if self.properties and self.properties.reply_to and self.properties.correlation_id:
            return self.properties.reply_to, self.properties.correlation_id
        return None


def settlements_of(batch: Iterable[Decoded], verdicts: Verdicts) -> list[Settlement]:
    """Return every delivery with its verdict; of one event delivered twice the second is the repeat."""
    telling = VerdictCursor(verdicts)
    return [_judge(decoded, telling) for decoded in batch]


def _judge(decoded: Decoded, telling: VerdictCursor) -> Settlement:
    event = decoded.event
    if isinstance(event, Verdict):
        return Settlement.without_event(decoded.delivery, decoded.properties, event, decoded.document)
    verdict = telling.next(event)
    return Settlement(
        decoded.delivery, decoded.properties, str(event.event_id), event.session_id, verdict, event
    )
