"""Finds the events that the database refuses, so that the others of their batch are stored."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from contracts.outcomes import DeadLetterCode
from worker.errors import RowRefused
from worker.ingest.fold import SessionEvents, Verdicts, key_of
from worker.outcome import Verdict

log = structlog.get_logger()

Persist = Callable[[Sequence[SessionEvents]], Awaitable[Verdicts]]


async def bisect_refused(groups: Sequence[SessionEvents], persist: Persist) -> Verdicts:
    """Persist the groups; where the database refuses one, split until an event is refused alone, and reject that."""
    try:
        return await persist(groups)
    except RowRefused as refused:
        if len(groups) > 1:
            middle = len(groups) // 2
            return {
                **await bisect_refused(groups[:middle], persist),
                **await bisect_refused(groups[middle:], persist),
            }
        if len(groups[0].events) > 1:
            return await _isolate_each(groups[0], persist)
        log.warning("event.refused_by_database", sqlstate=refused.sqlstate)
        message = f"the database refuses this content (SQLSTATE {refused.sqlstate})"
        code = DeadLetterCode.REFUSED_BY_DATABASE
        return {key_of(groups[0].events[0]): Verdict.rejected(code, message)}


async def _isolate_each(group: SessionEvents, persist: Persist) -> Verdicts:
    verdicts: Verdicts = {}
    for event in group.events:
        verdicts.update(await bisect_refused([SessionEvents(group.session_id, (event,))], persist))
    return verdicts
