"""One message as the broker delivered it."""

from dataclasses import dataclass, field
from time import monotonic

from pamqp.commands import Basic
from pamqp.header import ContentHeader

Properties = Basic.Properties

UNDECODABLE = (ValueError, TypeError, LookupError, ArithmeticError, OSError, RecursionError)
"""What pamqp raises for properties that are not what the protocol says."""


@dataclass(slots=True, eq=False)
class Delivery:
    """A message, the queue it came from, and the tag to acknowledge it with.

    `header` is the content header frame's payload as it came: properties are decoded when asked for,
    so that one message with undecodable ones stays one bad message. `received` is monotonic, in seconds.
    """

    queue: str
    tag: int
    redelivered: bool
    routing_key: str
    header: bytes
    body: bytes
    received: float = field(default_factory=monotonic)

    def read_properties(self) -> Properties | None:
        """Return the decoded properties, or None when they cannot be decoded."""
        content = ContentHeader()
        try:
            content.unmarshal(self.header)
        except UNDECODABLE:
            return None
        return content.properties
