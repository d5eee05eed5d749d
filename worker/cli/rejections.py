"""Reports the items that a command rejects: to a report file, or to stderr where there is none."""

import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TextIO

import orjson
import typer

from worker.cli.console import warn
from worker.errors import SessionStoreError
from worker.transfer.findings import Rejection

REJECTIONS_SHOWN: Final = 20


class RejectionReport:
    """Called with each rejection; with a path each goes to that file at once, as a line of JSON.

    The file replaces an older one and only its owner may read it. It is empty when nothing was rejected.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = _create(path) if path else None
        self._count = 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, and print how many of its rejections were not shown."""
        if self._file:
            try:
                self._file.close()
            except OSError as failure:
                if error is None:
                    raise self._unwritable(failure) from failure
            if self._count > REJECTIONS_SHOWN:
                warn(f"and {self._count - REJECTIONS_SHOWN:,} more, all in {self._path}")

    def __call__(self, rejection: Rejection) -> None:
        """Report one rejection."""
        self._count += 1
        if self._file is None or self._count <= REJECTIONS_SHOWN:
            warn(str(rejection))
        if self._file:
            try:
                self._file.write(orjson.dumps(rejection.as_json()).decode() + "\n")
            except OSError as error:
                raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SessionStoreError:
        return SessionStoreError(f"cannot write {self._path}: {error.strerror}")


def _create(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--report") from None
    return os.fdopen(descriptor, "w", buffering=1, encoding="utf-8")
