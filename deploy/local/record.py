"""A file in a server's directory by which any program finds it: process, ports, place of its files."""

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from deploy.local.processes import Process

_NAME = "record.json"


@dataclass(frozen=True, slots=True)
class Record:
    """The known facts of a server; `companion` is a process it needs, `place` is where its files are."""

    process: Process | None = None
    companion: Process | None = None
    ports: dict[str, int] = field(default_factory=dict)
    place: str | None = None


def read_record(directory: Path) -> Record:
    """Return the record kept in the directory, an empty one when there is none."""
    try:
        kept = json.loads((directory / _NAME).read_text())
    except FileNotFoundError:
        return Record()
    record = Record(**kept)
    return replace(record, process=_process(kept["process"]), companion=_process(kept["companion"]))


def write_record(directory: Path, record: Record) -> None:
    """Replace the record kept in the directory in one step."""
    fresh = directory / f"{_NAME}.new"
    fresh.write_text(json.dumps(asdict(record), indent=2) + "\n")
    fresh.replace(directory / _NAME)


def _process(kept: dict[str, str | int] | None) -> Process | None:
    return None if kept is None else Process(int(kept["pid"]), str(kept["birth"]))
