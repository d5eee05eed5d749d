"""The description of an attempt; docs/threat-model.md lists every attempt."""

from dataclasses import dataclass
from typing import Literal

Denier = Literal["broker", "database", "worker", "host"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """An action that somebody tries, its denier and the denier's answer; `name` is the test's id."""

    name: str
    tried: str
    by: Denier
    answer: str

    def __str__(self) -> str:
        return self.name
