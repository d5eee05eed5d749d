"""Dead letters for tests that need no broker."""

from contracts.outcomes import DeadLetterCode
from tests.support.events.deliveries import deliver
from worker.broker.delivery import Delivery, Properties
from worker.dead_letters.dead_letter import DeadLetter, read_dead_letter
from worker.dead_letters.message import make_dead_letter
from worker.dead_letters.replay import replay_properties


def letter_of(
    properties: Properties | None = None,
    body: bytes = b"{}",
    code: DeadLetterCode = DeadLetterCode.BAD_SCHEMA,
) -> DeadLetter:
    """Return the letter that the worker makes of a message."""
    came = deliver(body, properties=properties)
    return read_dead_letter(
        delivered(make_dead_letter(came, came.read_properties(), code, "why").properties, body), 1
    )


def delivered(properties: Properties, body: bytes = b"{}") -> Delivery:
    """Return a delivery from the dead-letter queue."""
    return deliver(body, properties=properties)


def fail_again(letter: DeadLetter, message: str = "again") -> DeadLetter:
    """Return the new letter of a replay that failed again."""
    came = deliver(letter.delivery.body, properties=replay_properties(letter))
    again = make_dead_letter(came, came.read_properties(), DeadLetterCode.BAD_JSON, message)
    return read_dead_letter(delivered(again.properties, letter.delivery.body), 1)
