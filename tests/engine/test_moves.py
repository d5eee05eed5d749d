"""The count of lost moves: the driver can fail."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.engine.moves import (
    NOTHING,
    Losses,
    Session,
    completed_twice,
    lost_objectives,
    reopened,
    revived,
)

COMPLETED = "2025-11-07T10:30:00.000Z"


def session(*done: int, listed: Sequence[int] | None = None, completed: str | None = None) -> Session:
    objectives = [{"id": f"obj_{number}", "completed": number in done} for number in range(4)]
    names = [f"obj_{number}" for number in (done if listed is None else listed)]
    return {
        "encounter": {"objectives": objectives},
        "state": {"objectivesCompleted": names},
        "completedAt": completed,
    }


@pytest.mark.parametrize(
    ("told", "stored", "losses"),
    [
        ([200] * 4, session(3, 1, 0, 2), {}),
        ([200] * 4, session(3), {"lost": 3}),
        ([200] * 4, session(0, 1, 2, 3, listed=[0, 1, 2]), {"lost": 1}),
        ([200] * 4, session(0, 1, 2, 3, listed=[0, 0, 1, 2, 3]), {"lost": 1}),
        ([200, 500, 200, 599], session(0, 2), {"errors": 2}),
        ([200] * 4, NOTHING, {"lost": 4}),
    ],
)
def test_an_objective_that_was_told_and_is_not_stored_once_is_lost(
    told: list[int], stored: Session, losses: dict[str, Any]
) -> None:
    assert lost_objectives(told, stored) == Losses(**losses)


@pytest.mark.parametrize(
    ("told", "stored", "losses"),
    [
        ([200, 200], session(0, completed=COMPLETED), {}),
        ([200, 200], session(0), {"reopened": 1}),
        ([200, 200], session(completed=COMPLETED), {"overwritten": 1}),
        ([500, 200], session(0), {"errors": 1}),
        ([200, 500], session(completed=COMPLETED), {"errors": 1}),
        ([200, 200], NOTHING, {"reopened": 1, "overwritten": 1}),
    ],
)
def test_a_completion_and_an_objective_beside_it_both_count(
    told: list[int], stored: Session, losses: dict[str, Any]
) -> None:
    assert reopened(told, stored) == Losses(**losses)


@pytest.mark.parametrize(
    ("told", "stored", "losses"),
    [
        ([200, 409], session(completed=COMPLETED), {}),
        ([500, 200], session(completed=COMPLETED), {}),
        ([200, 200], session(completed=COMPLETED), {"doubled": 1}),
        ([409, 500], session(completed=COMPLETED), {"errors": 1}),
        ([200, 409], session(), {"errors": 1}),
    ],
)
def test_one_of_two_completions_counts(told: list[int], stored: Session, losses: dict[str, Any]) -> None:
    assert completed_twice(told, stored) == Losses(**losses)


@pytest.mark.parametrize(
    ("told", "stored", "losses"),
    [
        ([200, 500, 404], NOTHING, {}),
        ([200, 200, 200], {"error": "no such session"}, {}),
        ([200, 200, 500], session(0), {"revived": 1}),
        ([500, 200, 200], session(0, 1), {"errors": 1}),
        ([404, 200, 200], session(0, 1), {}),
        ([404, 200, 404], NOTHING, {"errors": 1}),
    ],
)
def test_a_deletion_that_was_told_holds(told: list[int], stored: Session, losses: dict[str, Any]) -> None:
    assert revived(told, stored) == Losses(**losses)


def test_losses_are_added_up() -> None:
    assert Losses(1, 2, 3, 4, 5, 6) + Losses(6, 5, 4, 3, 2, 1) == Losses(7, 7, 7, 7, 7, 7)
