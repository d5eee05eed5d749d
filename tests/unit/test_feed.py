"""The changes feed publishes refused changes again, and counts only confirmed changes as published."""

from collections.abc import Coroutine, Sequence
from typing import Any, cast

from contracts.topology import Topology
from worker.broker.changes import ChangeMessage, ChangesChannel
from worker.broker.intake import Intake
from worker.broker.signatures import SignatureVerifier
from worker.errors import BrokerUnavailable
from worker.ingest.feed import Feed
from worker.observability.metrics import Metrics

FIRST, SECOND = ChangeMessage("session.stored", b"1"), ChangeMessage("session.deleted", b"2")


class Lasting:
    """A fake intake that stays open."""

    is_open = True

    async def run_until_lost(self, work: Coroutine[None, None, Any]) -> Any:
        return await work

    async def wait_while_open(self, _seconds: float) -> bool:
        return True


class Line:
    """A fake channel; each of its answers is the list of refused changes, or None for a lost channel."""

    def __init__(self, *answers: list[ChangeMessage] | None) -> None:
        self.published: list[Sequence[ChangeMessage]] = []
        self._answers = iter(answers)

    async def publish(self, _: str, messages: Sequence[ChangeMessage]) -> list[tuple[ChangeMessage, str]]:
        self.published.append(messages)
        refused = next(self._answers)
        if refused is None:
            raise BrokerUnavailable("the channel was closed")
        return [(message, "full") for message in refused]


class Unsigned:
    """A fake guard without keys."""

    def sign_changes(self, _: str, messages: Sequence[ChangeMessage]) -> Sequence[ChangeMessage]:
        return messages


async def announce(line: Line) -> bool:
    feed = Feed(Topology(), cast(ChangesChannel, line), Metrics("test"), cast(SignatureVerifier, Unsigned()))
    told = await feed.announce([FIRST, SECOND], cast(Intake, Lasting()))
    assert (feed.trouble is None) == told
    return told


async def test_what_was_refused_is_told_again_and_the_rest_is_not() -> None:
    line = Line([SECOND], [SECOND], [])
    assert await announce(line)
    assert line.published == [[FIRST, SECOND], [SECOND], [SECOND]]


async def test_what_a_lost_channel_did_not_confirm_is_not_told() -> None:
    assert not await announce(Line([SECOND], None))
