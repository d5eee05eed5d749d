"""The environment of tests that read settings: nothing is set in it, and a test sets what it needs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Set = Callable[..., None]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable of ours or of PostgreSQL is set, and there is no `.env` in the current directory."""
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
