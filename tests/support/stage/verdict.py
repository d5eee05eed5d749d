"""The figures of a run, and whether every promise was kept."""

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Final

BREACHES: Final = (
    "lost",
    "stale",
    "resurrected",
    "unaccounted",
    "unexpected",
    "unanswered",
    "misjudged",
    "innocent_dead_letters",
)
_SHOWN: Final = 20


@dataclass(slots=True)
class Report:
    """The number of distinct events at each end, and of breaches of each promise.

    Every event attempted is exactly one of stored, deleted, superseded, conflict, dead_lettered,
    never_arrived (not confirmed by the broker, and not found), lost or unaccounted.
    """

    attempted: int = 0
    confirmed: int = 0
    stored: int = 0
    deleted: int = 0
    superseded: int = 0
    conflict: int = 0
    dead_lettered: int = 0
    never_arrived: int = 0
    lost: int = 0
    stale: int = 0
    resurrected: int = 0
    unaccounted: int = 0
    unexpected: int = 0
    unanswered: int = 0
    misjudged: int = 0
    innocent_dead_letters: int = 0
    repeated_dead_letters: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether no promise was broken."""
        return not self.breaches

    @property
    def breaches(self) -> dict[str, int]:
        """The broken promises, with the number of their breaches."""
        return {name: number for name in BREACHES if (number := getattr(self, name))}

    def count(self, kind: str, detail: str) -> None:
        """Count an event that ended as `kind`; the detail is kept if that is a breach."""
        if kind in BREACHES:
            self.breach(kind, detail)
        else:
            self._add("deleted" if kind == "absent" else kind)

    def breach(self, kind: str, detail: str) -> None:
        """Count a broken promise, and keep the first few for people."""
        self._add(kind)
        if len(self.findings) < _SHOWN:
            self.findings.append(f"{kind}: {detail}"[:400])

    def lines(self) -> list[str]:
        """Return one aligned line for each figure."""
        names = [each.name for each in fields(self) if each.name != "findings"]
        return [f"{name.replace('_', ' '):<22}{getattr(self, name):>9}" for name in names]

    def __str__(self) -> str:
        """Return the breaches with their details, or the words that every promise was kept."""
        if self.is_clean:
            return "every promise kept"
        return "\n".join([str(Counter(self.breaches)), *self.findings])

    def _add(self, kind: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
