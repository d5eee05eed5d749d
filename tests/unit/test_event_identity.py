from datetime import UTC, datetime
from uuid import UUID, uuid4

from contracts.session import Session
from tests.support.events.session_files import session_of
from worker.transfer.event_identity import event_id_of, revision_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STARTED = 1_762_511_400_000_000


def revision(**changed: object) -> int:
    return revision_of(Session.model_validate(session_of(1, **changed)), NOW)


def event_id(**changed: object) -> UUID:
    return event_id_of(Session.model_validate(session_of(1, **changed)))


def test_the_revision_is_the_newest_time_of_the_session_in_microseconds() -> None:
    assert revision(completedAt=None) == STARTED
    assert revision(completedAt="2025-11-07T11:00:00.001Z") == STARTED + 1_800_001_000
    assert revision(lastActivity="2025-11-07T13:30:00+01:00") == STARTED + 7_200_000_000


def test_a_field_of_a_plugin_that_is_no_time_does_not_count() -> None:
    assert revision(completedAt=None, lastActivity="yesterday", updatedAt=7) == STARTED


def test_a_time_to_come_does_not_count() -> None:
    assert revision(completedAt="2026-01-01T00:00:00.001Z") == STARTED
    assert revision(completedAt=None, startedAt="9999-12-31T23:59:59Z") == 1


def test_a_time_before_all_revisions_gives_the_first() -> None:
    assert revision(completedAt=None, startedAt="0001-01-01T00:00:00Z") == 1


def test_the_same_content_has_the_same_id_in_any_order_of_keys() -> None:
    turned = dict(reversed(session_of(1).items()))
    assert event_id_of(Session.model_validate(turned)) == event_id()
    assert event_id(startedAt="2025-11-07T11:30:00+01:00") == event_id()


def test_other_content_has_another_id() -> None:
    ids = {event_id(), event_id(note=1), event_id(state={}), event_id(playerId="p"), event_id(sessionId="s")}
    assert len(ids) == 5


def test_the_id_of_an_import_is_smaller_than_any_an_engine_draws() -> None:
    assert event_id().version == 8
    assert all(event_id() < uuid4() for _ in range(100))
