"""A delivery between decoding and settling, as values."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple, Self

from worker.broker.delivery import Delivery, Properties
from worker.ingest.fold import VerdictCursor, Verdicts
from worker.outcome import Verdict
from worker.store.rows import EventRow

MAX_CHARACTERS: Final = 255  # of an invalid event's id and subject in its confirmation


class Decoded(NamedTuple):
    """A delivery and the event in it, or the verdict that rejects it.

    `document` is the JSON object of an invalid event, empty where the body was not parsed; `time` is the one that
    an event's publisher gave it.
    """

    delivery: Delivery
    properties: Properties | None
    event: EventRow | Verdict
    document: Mapping[str, object] = {}
    time: datetime | None = None


class Settlement(NamedTuple):
    """A delivery and its verdict; `event_id` and `subject` are None where they could not be read.

    `event` is None for an invalid event and for an erasure.
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
        """Return the settlement of a delivery without a valid event; its id and subject are the document's."""
        values = (document.get(name) for name in ("id", "subject"))
        event_id, subject = (value[:MAX_CHARACTERS] if isinstance(value, str) else None for value in values)
        return cls(delivery, properties, event_id, subject, verdict)

    @property
    def reply_address(self) -> tuple[str, str] | None:
        """The queue and the correlation id of the confirmation; None when the publisher asked for none."""
        if self.properties and self.properties.reply_to and self.properties.correlation_id:
            return self.properties.reply_to, self.properties.correlation_id
        return None


def settlements_of(batch: Iterable[Decoded], verdicts: Verdicts) -> list[Settlement]:
    """Return every delivery with its verdict; of an event delivered twice the second delivery is a repeat."""
    cursor = VerdictCursor(verdicts)
    return [_settlement_of(decoded, cursor) for decoded in batch]


def _settlement_of(decoded: Decoded, cursor: VerdictCursor) -> Settlement:
    event = decoded.event
    if isinstance(event, Verdict):
        return Settlement.without_event(decoded.delivery, decoded.properties, event, decoded.document)
    verdict = cursor.next(event)
    return Settlement(
        decoded.delivery, decoded.properties, str(event.event_id), event.session_id, verdict, event
    )
