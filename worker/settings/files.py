"""Reads settings from files: `.env` in the working directory, and a directory of secrets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from pydantic_settings import BaseSettings, DotEnvSettingsSource, SecretsSettingsSource
from pydantic_settings.exceptions import SettingsError

from worker.errors import ConfigurationError

DOTENV: Final = ".env"


def read_dotenv(settings: type[BaseSettings]) -> dict[str, Any]:
    """Return the values in `.env`, none where there is no file; raises ConfigurationError when it cannot be read.

    A directory that this user may not enter counts as empty, such as the one where `sudo -u postgres` is called.
    """
    if not os.access(".", os.X_OK):
        return {}
    with _reading(DOTENV):
        return DotEnvSettingsSource(settings, env_file=DOTENV)()


def read_secrets(settings: type[BaseSettings], directory: str) -> dict[str, Any]:
    """Return the contents of a directory's files; raises ConfigurationError that names the file it cannot read."""
    with _reading(directory):
        if not Path(directory).exists():
            raise ConfigurationError(f"the secrets directory {directory} does not exist")
        if not Path(directory).is_dir():
            raise ConfigurationError(f"SESSION_STORE_SECRETS_DIR: {directory} is a file, not a directory")
        return SecretsSettingsSource(settings, secrets_dir=directory)()


@contextmanager
def _reading(place: str) -> Iterator[None]:
    try:
        yield
    except (SettingsError, OSError, UnicodeDecodeError) as error:
        cause = error.__cause__ if isinstance(error, SettingsError) else error
        if isinstance(cause, OSError):
            message = f"cannot read {cause.filename or place}: {cause.strerror}"
            raise ConfigurationError(f"{message}; the user that runs this program must be able to") from None
        raise ConfigurationError(f"cannot read {place}: it is not UTF-8 text") from None
