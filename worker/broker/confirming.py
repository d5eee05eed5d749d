"""Publishing refused messages again, until the broker has confirmed every one."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from worker.broker.intake import Intake
from worker.errors import BrokerUnavailable
from worker.retry import Backoff

M = TypeVar("M")

Publish = Callable[[Sequence[M]], Coroutine[Any, Any, list[tuple[M, str]]]]
"""Publishes messages and returns those that the broker refused, each with the reason; raises BrokerUnavailable."""


async def publish_until_confirmed(
    publish: Publish[M], messages: Sequence[M], intake: Intake, on_refused: Callable[[int, str], None]
) -> bool:
    """Return True once the broker has confirmed all messages; False when the intake or the channel was lost first.

    After each attempt `on_refused` gets the number of messages that were refused, and the reason of the first.
    """
    backoff, left = Backoff(), messages
    while left and intake.is_open:
        try:
            refused = await intake.run_until_lost(publish(left))
        except BrokerUnavailable:
            return False
        left = [message for message, _ in refused]
        if refused:
            on_refused(len(refused), refused[0][1])
            await intake.wait_while_open(backoff.next())
    return not left
