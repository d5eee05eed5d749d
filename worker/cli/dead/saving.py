"""Keeps letters in a file before they are removed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import typer

from worker.cli.dead.documents import document_of, line_of
from worker.dead_letters.dead_letter import DeadLetter
from worker.errors import SessionStoreError


class LetterFile:
    """A new file that only its owner may read, with a JSON document a line for each letter, all there is of it.

    Raises SessionStoreError when it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise typer.BadParameter(f"{path} exists already", param_hint="--save")
        self._path = path
        self._file: TextIO | None = None

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Add letters; the file is made for the first."""
        try:
            if letters and self._file is None:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._file = os.fdopen(descriptor, "w", encoding="ascii")
            if self._file:
                self._file.writelines(f"{line_of(document_of(letter))}\n" for letter in letters)
        except OSError as error:
            raise self._unwritable(error) from error

    def finish(self) -> None:
        """Have everything on the disk."""
        try:
            if self._file:
                with self._file:
                    self._file.flush()
                    os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> SessionStoreError:
        return SessionStoreError(f"cannot write {self._path}: {error.strerror}")
