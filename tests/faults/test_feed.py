"""The judge of the feed finds every kind of breach, and none in a correct run."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.faults.test_history import after, event, history_of
from tests.support.stage.feed import Told, judge_feed
from tests.support.stage.history import Sent

FIRST, SECOND, GONE = event(1), event(2), event(3, is_delete=True)


def told(sent: Sent) -> Told:
    assert sent.key
    return Told(sent.session_id, sent.key, not sent.is_delete, sent.content)


def judge(messages: Sequence[Told], winner: Sent, outcome: str = "stored") -> list[str]:
    aftermath = after(winner, outcome)
    return judge_feed(history_of(FIRST, SECOND, GONE), messages, aftermath.ledger, aftermath.rows)


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1,), (1, 1, 0)])
def test_the_last_state_told_at_least_once_in_any_order_is_well(order: Sequence[int]) -> None:
    messages = [told((FIRST, SECOND)[number]) for number in order]
    assert judge(messages, SECOND) == []
    assert judge([*messages, told(GONE)], GONE, "deleted") == []


@pytest.mark.parametrize(
    "broken",
    [
        lambda: judge([], SECOND),
        lambda: judge([told(FIRST)], SECOND),
        lambda: judge([told(FIRST), told(SECOND)], GONE, "deleted"),
        lambda: judge([told(SECOND), told(GONE)], SECOND),
        lambda: judge([told(SECOND), told(event(1, number=7))], SECOND),
        lambda: judge([replace_content(told(SECOND))], SECOND),
        lambda: judge([told(SECOND)._replace(is_stored=False, content=b"")], SECOND),
        lambda: judge([told(GONE), told(replace(SECOND, session_id="other"))], GONE, "deleted"),
    ],
    ids=["silent", "behind", "undeleted", "ahead", "invented", "changed", "wrong kind", "another session"],
)
def test_each_breakage_is_seen(broken: Callable[[], list[str]]) -> None:
    assert broken()


def replace_content(message: Told) -> Told:
    return message._replace(content=FIRST.content)
