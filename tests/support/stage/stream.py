"""A seeded stream of events: writes and deletes, some late, repeated, conditional or invalid, and shuffled."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from tests.support.stage.events import make_event, spoil
from tests.support.stage.history import Key, Sent

REVISION_STEP: Final = 10  # late events take the revisions between


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the stream, each from 0 to 1; the shuffle draws from `window` events."""

    deletes: float = 0.15
    late: float = 0.15
    repeats: float = 0.15
    invalid: float = 0.01
    conditional: float = 0.03
    asks: float = 0.03
    window: int = 100


class Stream:
    """An endless iterator of events of `n_sessions` sessions, the same for the same arguments."""

    def __init__(self, seed: int, n_sessions: int, mix: Mix = Mix()) -> None:
        self._draw = random.Random(seed)
        self._mix = mix
        self._sessions = [f"sess_{self._draw.getrandbits(64):016x}" for _ in range(n_sessions)]
        self._revisions = dict.fromkeys(self._sessions, 0)
        self._waiting: list[Sent] = []

    def __iter__(self) -> Iterator[Sent]:
        """Return itself."""
        return self

    def __next__(self) -> Sent:
        """Return the next event to publish, which may have been published before."""
        while len(self._waiting) < self._mix.window:
            self._waiting.append(self._make())
        place = self._draw.randrange(len(self._waiting))
        event = self._waiting[place]
        if not self._chance(self._mix.repeats):
            self._waiting[place] = self._waiting[-1]
            self._waiting.pop()
        return event

    def _make(self) -> Sent:
        draw, mix = self._draw, self._mix
        session_id, event_id = draw.choice(self._sessions), UUID(int=draw.getrandbits(128), version=4)
        known = self._revisions[session_id]
        revision = draw.randint(1, known) if known and self._chance(mix.late) else known + REVISION_STEP
        self._revisions[session_id] = max(known, revision)
        event = make_event(
            session_id,
            Key(revision, event_id),
            draw,
            is_delete=self._chance(mix.deletes) and known > 0,
            expected=draw.choice((known, 0)) if self._chance(mix.conditional) else None,
        )
        if not event.is_delete and self._chance(mix.invalid):
            event = spoil(event, draw)
        return replace(event, asks=self._chance(mix.asks))

    def _chance(self, share: float) -> bool:
        return self._draw.random() < share
