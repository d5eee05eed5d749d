"""The filter of the dead-letter commands."""

from dataclasses import dataclass
from datetime import datetime

from worker.dead_letters.dead_letter import DeadLetter


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Conditions joined by AND; one that is absent (None, or no codes) accepts everything.

    `queue` is the name of the queue a message failed in, or its routing key, which has no prefix. A dead letter
    without a time fails both `since` and `until`, which are inclusive.
    """

    number: int | None = None
    codes: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    session: str | None = None
    queue: str | None = None
    event_id: str | None = None
    player: str | None = None

    def accepts(self, dead_letter: DeadLetter) -> bool:
        """Return whether every condition holds."""
        failure = dead_letter.failure
        return (
            self.number in (None, dead_letter.number)
            and (not self.codes or failure.code in self.codes)
            and self._is_in_time(failure.failed_at)
            and (self.session is None or self.session in dead_letter.session_ids)
            and self.queue in (None, failure.queue, dead_letter.delivery.routing_key)
            and (self.event_id is None or self.event_id.lower() == (dead_letter.event_id or "").lower())
            and (self.player is None or dead_letter.is_of(self.player))
        )

    def _is_in_time(self, failed_at: datetime | None) -> bool:
        if failed_at is None:
            return self.since is None and self.until is None
        return (self.since is None or failed_at >= self.since) and (
            self.until is None or failed_at <= self.until
        )
