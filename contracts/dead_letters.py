"""The headers of the dead-letter queue's messages (contract: Topology); body and properties are as they came."""

from typing import Annotated, Final

from pydantic import ConfigDict, Field

from .message import Message
from .outcomes import DeadLetterCode
from .scalars import Timestamp

CODE_HEADER: Final = "x-code"
MESSAGE_HEADER: Final = "x-message"
FAILED_AT_HEADER: Final = "x-failed-at"
ORIGIN_QUEUE_HEADER: Final = "x-origin-queue"
HISTORY_HEADER: Final = "x-history"  # earlier failures of a message that was replayed, oldest first


class DeadLetterHeaders(Message):
    """The headers that a dead letter has in addition to its own."""

    model_config = ConfigDict(alias_generator=None)

    code: Annotated[DeadLetterCode, Field(alias=CODE_HEADER, strict=False)]
    message: Annotated[str, Field(alias=MESSAGE_HEADER)]
    failed_at: Annotated[Timestamp, Field(alias=FAILED_AT_HEADER)]
    origin_queue: Annotated[str, Field(alias=ORIGIN_QUEUE_HEADER)]
