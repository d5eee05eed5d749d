"""The history of a producer, and the final state of a run, as values."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID


class Key(NamedTuple):
    """The place of an event in the order of its session: by revision, then by id."""

    revision: int
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Sent:
    """One event as it is published, once or repeatedly; `number` is its AMQP message id.

    `key` is None for an invalid event, and `code` is then its dead-letter code. `asks` says that the
    publisher wants a confirmation. `content` is the content that a write stores, as in `Row`.
    """

    number: str
    session_id: str
    body: bytes
    routing_key: str
    key: Key | None = None
    is_delete: bool = False
    expected: int | None = None
    asks: bool = False
    code: str | None = None
    content: bytes = b""


class Entry(NamedTuple):
    """A session's row in the ledger."""

    key: Key
    outcome: str


class Row(NamedTuple):
    """A session's row in the table, its fields as canonical bytes."""

    revision: int
    content: bytes


class DeadLetter(NamedTuple):
    """A message of the dead-letter queue; the broker's own have the code `delivery_limit`."""

    number: str
    code: str


class Answer(NamedTuple):
    """A confirmation as it was received; `number` is its correlation id."""

    number: str
    event_id: str | None
    outcome: str
    first: str | None = None


@dataclass(frozen=True, slots=True)
class Aftermath:
    """The final state of a run, when nothing changes any more; `waiting` messages are still in the queues."""

    ledger: Mapping[str, Entry]
    rows: Mapping[str, Row]
    dead: tuple[DeadLetter, ...] = ()
    waiting: int = 0


@dataclass(slots=True)
class History:
    """Every sent event, with the number of attempts, the publisher confirm, and the confirmations."""

    sent: dict[str, Sent] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    confirmed: set[str] = field(default_factory=set)
    answers: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))

    def note_attempt(self, event: Sent) -> None:
        """Record that the event is about to be published."""
        self.sent[event.number] = event
        self.attempts[event.number] += 1

    def note_answer(self, answer: Answer) -> None:
        """Record a confirmation."""
        self.answers[answer.number].append(answer)

    def unanswered(self) -> list[Sent]:
        """Return the events whose publisher still waits for a confirmation."""
        return [event for event in self.sent.values() if event.asks and event.number not in self.answers]
