"""A delivery between decoding and settling, as values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self

from worker.broker.delivery import Delivery, Properties
from worker.ingest.fold import VerdictCursor, Verdicts
from worker.outcome import Verdict
from worker.store.rows import EventRow

MAX_CHARACTERS: Final = 255  # of an invalid event's id and subject in its confirmation


@dataclass(slots=True, eq=False)
class DecodedEvent:
    """A delivery and the valid event in it; `time` is the one that the publisher gave the event."""

    delivery: Delivery
    properties: Properties | None
    event: EventRow
    time: datetime | None


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


def settlements_of(batch: Iterable[DecodedEvent | Settlement], verdicts: Verdicts) -> list[Settlement]:
    """Return a batch with the verdicts of its events; of an event delivered twice the second delivery is a repeat.

    An invalid event is settled by its own verdict already.
    """
    cursor = VerdictCursor(verdicts)
    return [each if isinstance(each, Settlement) else _settlement_of(each, cursor) for each in batch]


def _settlement_of(decoded: DecodedEvent, cursor: VerdictCursor) -> Settlement:
    event = decoded.event
    verdict = cursor.next(event)
    return Settlement(
        decoded.delivery, decoded.properties, str(event.event_id), event.session_id, verdict, event
    )
