"""What an attempt is; docs/threat-model.md lists every one of them."""

from dataclasses import dataclass
from typing import Literal

Denier = Literal["broker", "database", "worker", "host"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that somebody tries, and who denies it with which answer; `name` is the test's id."""

    name: str
    tried: str
    by: Denier
    answer: str

    def __str__(self) -> str:
        return self.name
