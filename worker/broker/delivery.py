"""One message as the broker delivered it."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from pamqp.commands import Basic
from pamqp.decode import METHODS
from pamqp.header import ContentHeader

Properties = Basic.Properties

_FLAGS: Final = slice(12, 14)  # behind class, weight and body size
_MORE_FLAGS: Final = 1
_FIELDS: Final = [
    (Properties.flags[name], name, METHODS[Properties.amqp_type(name)]) for name in Properties.attributes()
]

UNDECODABLE = (ValueError, TypeError, LookupError, ArithmeticError, OSError, RecursionError)
"""pamqp's errors for properties that break the protocol."""


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
        try:
            return _decode(self.header)
        except UNDECODABLE:
            return None


def _decode(header: bytes) -> Properties:
    """Return the result of `ContentHeader.unmarshal`, by the same decoders, in half of the time."""
    flags = int.from_bytes(header[_FLAGS])
    if flags & _MORE_FLAGS or len(header) < _FLAGS.stop:
        content = ContentHeader()
        content.unmarshal(header)
        return content.properties
    properties, rest = Properties(), header[_FLAGS.stop :]
    for flag, name, decode in _FIELDS:
        if flags & flag:
            size, value = decode(rest)
            setattr(properties, name, value)
            rest = rest[size:]
    return properties
