"""Counts that a command reports: each chunk has its own, and they add up."""

from dataclasses import astuple, dataclass
from operator import add
from typing import Self


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers by name; adding two adds each number."""

    def __add__(self, other: Self) -> Self:
        """Return the sums."""
        return type(self)(*map(add, astuple(self), astuple(other)))
