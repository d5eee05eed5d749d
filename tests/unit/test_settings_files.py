"""A file of settings that cannot be read is named, and its content is never shown."""

import builtins
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.errors import ConfigurationError
from worker.settings.config import Settings
from worker.settings.files import read_dotenv, read_secrets

Refuse = Callable[[str], None]


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Return a function that makes files of a name unreadable, also to root, who often runs tests."""
    read, opened = Path.read_text, builtins.open

    def refuse(name: str) -> None:
        def call(path: Any, to: Callable[..., Any], *words: Any, **options: Any) -> Any:
            if Path(path).name == name:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return to(path, *words, **options)

        monkeypatch.setattr(Path, "read_text", lambda path, *w, **o: call(path, read, *w, **o))
        monkeypatch.setattr(builtins, "open", lambda path, *w, **o: call(path, opened, *w, **o))

    return refuse


def test_a_secret_that_the_workers_user_may_not_read_is_named(tmp_path: Path, refuse: Refuse) -> None:
    (tmp_path / "AMQP_URL").write_text("amqp://u:hidden@h/")
    refuse("AMQP_URL")
    with pytest.raises(
        ConfigurationError, match="AMQP_URL: Permission denied; the user that runs this program"
    ):
        read_secrets(Settings, str(tmp_path))


def test_a_dotenv_file_that_may_not_be_read_is_named(
    tmp_path: Path, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("AMQP_URL=amqp://u:hidden@h/")
    refuse(".env")
    with pytest.raises(
        ConfigurationError, match=r"\.env: Permission denied; the user that runs this program"
    ):
        read_dotenv(Settings)


def test_a_secret_that_is_no_text_is_refused_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "AMQP_URL").write_bytes(b"amqp://u:\xff\xfehidden@h/")
    with pytest.raises(ConfigurationError, match="not UTF-8 text") as refusal:
        read_secrets(Settings, str(tmp_path))
    assert "hidden" not in str(refusal.value)


def test_a_directory_that_is_a_file_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file is a file, not a directory"):
        read_secrets(Settings, str(tmp_path / "file"))
