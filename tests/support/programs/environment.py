"""The environment of tests that read settings: it has no settings but those that a test makes."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import pytest

from worker.errors import ConfigurationError
from worker.settings.config import Flags
from worker.settings.loading import load

Set = Callable[..., None]

DATABASE = "postgresql://u:secret@localhost:5/d"
BROKER = "amqp://u:secret@localhost:6/"
SERVERS: Flags = {"database_url": DATABASE, "amqp_url": BROKER}


def refusal_of(flags: Mapping[str, object]) -> str:
    """Return the message that refuses settings with these flags; fails if they are accepted."""
    with pytest.raises(ConfigurationError) as refused:
        load(cast(Flags, flags))
    return str(refused.value)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unset the variables of the product and of PostgreSQL, and enter a directory without `.env`."""
    for name in list(os.environ):
        if name.upper().startswith(
            ("PG", "SESSION_STORE_", "DATABASE_URL", "AMQP_URL", "CREDENTIALS_", "OTEL_")
        ):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Set:
    def put(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put
