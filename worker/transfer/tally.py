"""How many of what an import found; the parts add up to the whole."""

from dataclasses import dataclass

from contracts.outcomes import Outcome
from worker.ingest.ordering import APPLIED


@dataclass(slots=True)
class ImportCounts:
    """Counts of files, or of lines; `found` are those that were read, whatever became of them."""

    found: int = 0
    imported: int = 0
    unchanged: int = 0
    superseded: int = 0
    refused: int = 0
    skipped: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count what became of one event; one that was refused is counted with its refusal."""
        match outcome:
            case Outcome.DUPLICATE:
                self.unchanged += 1
            case Outcome.SUPERSEDED:
                self.superseded += 1
            case other if other in APPLIED:
                self.imported += 1
