"""Hypothesis strategies: every value that the contract allows, and no other."""

from collections.abc import Callable
from datetime import UTC

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from contracts.limits import MAX_REVISION
from contracts.scalars import format_timestamp

OWN_NAMES = frozenset(("sessionId", "playerId", "encounter", "state", "startedAt", "completedAt"))
TEMPTING = ("completed_at", "session_id", "model_extra", "__class__", "revision", "")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
identifiers = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=255)
times = st.datetimes(timezones=st.just(UTC)).map(format_timestamp)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
values: SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=4)
extras = st.dictionaries(
    (texts | st.sampled_from(TEMPTING)).filter(lambda name: name not in OWN_NAMES), values, max_size=3
)


@st.composite
def _session(draw: DrawFn) -> dict[str, object]:
    session: dict[str, object] = {
        **draw(extras),
        "sessionId": draw(identifiers),
        "playerId": draw(identifiers),
        "encounter": draw(objects),
        "state": draw(objects),
        "startedAt": draw(times),
    }
    completions: SearchStrategy[str | None] = st.none() | times
    return {**session, "completedAt": draw(completions)} if draw(st.booleans()) else session


@st.composite
def _event(draw: DrawFn) -> dict[str, object]:
    content: dict[str, object] = {"revision": draw(st.integers(1, MAX_REVISION))}
    if draw(st.booleans()):
        expected: SearchStrategy[int | None] = st.none() | st.integers(0, MAX_REVISION)
        content["expectedRevision"] = draw(expected)
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": str(draw(st.uuids())),
        "source": draw(texts.filter(bool)),
        "type": "session.delete",
        "subject": draw(identifiers),
        "data": content,
    }
    if draw(st.booleans()):
        content["session"] = session = draw(_session())
        event.update(type="session.write", subject=session["sessionId"])
    return event


sessions: Callable[[], SearchStrategy[dict[str, object]]] = _session
events: Callable[[], SearchStrategy[dict[str, object]]] = _event
