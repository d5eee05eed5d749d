"""Tells of what a command could not take: all of it in a report file, or on stderr where there is none."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import orjson
import typer

from worker.cli.console import warn
from worker.errors import SessionStoreError
from worker.transfer.findings import Rejection

SHOWN: Final = 20


class Refusals:
    """Called with each refusal; with a path they go to that file as they come, a JSON document a line.

    The file is made anew, for its owner alone, and is there and empty when nothing was refused.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = _create(path) if path else None
        self._count = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, and say how many it has that were not shown."""
        if self._file:
            self._file.close()
            if self._count > SHOWN:
                warn(f"and {self._count - SHOWN:,} more, all in {self._path}")

    def __call__(self, refusal: Rejection) -> None:
        """Tell of one."""
        self._count += 1
        if self._file is None or self._count <= SHOWN:
            warn(str(refusal))
        if self._file:
            try:
                self._file.write(orjson.dumps(refusal.as_json()).decode() + "\n")
            except OSError as error:
                raise SessionStoreError(f"cannot write {self._path}: {error.strerror}") from error


def _create(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--report") from None
    return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8")
