"""Which broker, and which release of it, is at the other end of a connection."""

from dataclasses import dataclass
from typing import Final

from worker.broker.connection import FilteredConnection

RABBITMQ: Final = "RabbitMQ"
LIMITING: Final = (4, 0)
HIDING: Final = ("4.2.6", "4.3.0")


@dataclass(frozen=True, slots=True)
class Release:
    """The program that answers, and its version as it says it."""

    product: str
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """Major and minor version, where they are numbers."""
        return tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit())

    @property
    def limits_deliveries(self) -> bool:
        """Whether a quorum queue without a delivery limit has one of 20, as on RabbitMQ 4."""
        return self.product == RABBITMQ and self.numbers >= LIMITING

    @property
    def hides_counts(self) -> bool:
        """Whether it shows the number of messages only to a login that may configure the queue.

        No worker may. Releases before show it to every login, later ones to a login with any right for the queue
        (rabbitmq-server#16085 and #16272).
        """
        return self.product == RABBITMQ and self.version in HIDING

    @property
    def resumes_consumers(self) -> bool:
        """Whether a quorum queue that is deleted and declared again at once can swallow messages, as on RabbitMQ 3.

        A channel that hears of the deletion when the new queue is there consumes that in the consumer's name, and
        then forgets that it does. The queue counts the consumer and delivers to it, and no delivery reaches the
        client. RabbitMQ 4 cancels the consumer. Seen on 3.10.8 and 3.12.1; not on 4.0.5 and 4.3.6.
        """
        return self.product == RABBITMQ and self.numbers < LIMITING


def release_of(connection: FilteredConnection) -> Release:
    """Return the release that the broker named when the connection was opened."""
    transport = connection.transport
    properties = transport.connection.server_properties if transport else {}
    return Release(*(_text(properties.get(name)) for name in ("product", "version")))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "unknown")
