"""Which broker, and which release of it, is at the other end of a connection."""

from typing import Final, NamedTuple

from worker.broker.connection import FilteredConnection

RABBITMQ: Final = "RabbitMQ"
LIMITS_BY_ITSELF: Final = (4, 0)


class BrokerVersion(NamedTuple):
    """What a broker says of itself, in its words."""

    product: str
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """The first two numbers of the version; fewer where it has no such numbers."""
        return tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit())

    @property
    def limits_deliveries(self) -> bool:
        """Whether a quorum queue that names no delivery limit has one of 20: RabbitMQ 4 and later."""
        return self.product == RABBITMQ and self.numbers >= LIMITS_BY_ITSELF


def version_of(connection: FilteredConnection) -> BrokerVersion:
    """Return what the broker said when the connection was opened."""
    transport = connection.transport
    properties = transport.connection.server_properties if transport else {}
    return BrokerVersion(*(_text(properties.get(name)) for name in ("product", "version")))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "unknown")
