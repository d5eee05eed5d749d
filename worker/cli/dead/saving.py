"""Keeps letters in a file before they are removed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import typer

from worker.broker.letter import Letter
from worker.cli.dead.documents import document_of, line_of
from worker.errors import SessionStoreError


class LetterFile:
    """A new file that only its owner may read, with a JSON document a line for each letter, all there is of it.

    Raises SessionStoreError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise typer.BadParameter(f"{path}: {error.strerror}", param_hint="--save") from None
        self._file: TextIO = os.fdopen(descriptor, "w", encoding="ascii")

    def write(self, letters: Sequence[Letter]) -> None:
        """Add letters."""
        try:
            self._file.writelines(f"{line_of(document_of(letter))}\n" for letter in letters)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Have everything on the disk."""
        try:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SessionStoreError:
        return SessionStoreError(f"cannot write {self._path}: {error.strerror}")
