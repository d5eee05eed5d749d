"""Erasing a player, as the client asks for it."""

from contracts.client.errors import Rejected
from contracts.client.messages import Message
from contracts.client.wire import Wire
from contracts.outcomes import DeadLetterCode
from contracts.replies import Confirmation, Receipt


async def erase(wire: Wire, message: Message, deadline: float) -> Receipt:
    """Return the receipt of an erasure; raises Rejected, and as the wire does."""
    told = Confirmation.model_validate(await wire.ask(message, deadline))
    if told.receipt is None:
        raise Rejected(told.code or DeadLetterCode.BAD_SCHEMA, told.message or "")
    return told.receipt
