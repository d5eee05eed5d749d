"""The keys as a setting: refused clearly, never shown, and changed without a restart."""

import os
from pathlib import Path
from typing import Final

import pytest

from worker.doctor.finding import State
from worker.doctor.settings import check_signatures
from worker.errors import ConfigurationError
from worker.settings import keyring as keys
from worker.settings.keyring import ReloadingKeyring, keyring_of
from worker.settings.loading import load

VARIABLE: Final = "SESSION_STORE_SIGNING_KEYS"
OLD: Final = "k1:s3cr3t-0123456789-abcdefghijklmnop"
NEW: Final = "k2:s3cr3t-zyxwvutsrqponmlkjihg-98765"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the directory of secrets; no other setting is set."""
    for name in list(os.environ):
        if name.startswith(("SESSION_STORE_", "CREDENTIALS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SESSION_STORE_SECRETS_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_keys_are_changed_without_a_restart(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_AGE_SECONDS", 0.0)
    monkeypatch.setattr(keys, "MIN_AGE_SECONDS", 0.0)
    (secrets / VARIABLE).write_text(OLD)
    live = ReloadingKeyring(load(required=()))
    assert live().ids == ("k1",)
    (secrets / VARIABLE).write_text(f"{NEW}\n{OLD}\n")
    assert live().ids == ("k2", "k1")
    (secrets / VARIABLE).write_text("k3:short")
    assert live().ids == ("k2", "k1")


def test_keys_are_not_read_anew_for_every_message(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / VARIABLE).write_text(OLD)
    live = ReloadingKeyring(load(required=()))
    monkeypatch.setattr(keys, "load", lambda _: pytest.fail("read anew"))
    assert live().ids == live.renew().ids == ("k1",)


def test_a_mode_that_looks_at_signatures_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_STORE_SIGNATURES", "enforce")
    with pytest.raises(ConfigurationError, match="needs SESSION_STORE_SIGNING_KEYS"):
        load(required=())


@pytest.mark.parametrize("text", ["s3cr3t" * 9, "k1:s3cr3t", f"{OLD} {OLD}"])
def test_a_wrong_keyring_is_never_repeated(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigurationError, match=VARIABLE) as refused:
        load(required=())
    assert "s3cr3t" not in str(refused.value)


def test_the_settings_never_show_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, OLD)
    loaded = load(required=())
    shown = f"{loaded} {loaded.settings!r} {loaded.settings.model_dump_json()} {ReloadingKeyring(loaded)()}"
    assert "s3cr3t" not in shown
    assert keyring_of(loaded.settings).ids == ("k1",)


@pytest.mark.parametrize(
    ("mode", "text", "state", "said"),
    [
        ("off", "", State.WARNING, "off: every message from a user that may publish is accepted"),
        ("warn", OLD, State.WARNING, "warn: messages with a bad signature are counted and accepted"),
        ("enforce", f"k1:{'ab' * 20}", State.WARNING, "easy to guess: the secret of k1"),
        ("enforce", f"{NEW} {OLD}", State.OK, "enforced; signs with k2, accepts k2, k1"),
    ],
)
def test_the_doctor_says_how_far_signing_is(
    mode: str, text: str, state: State, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_STORE_SIGNATURES", mode)
    monkeypatch.setenv(VARIABLE, text)
    finding = check_signatures(load(required=()).settings)
    assert (finding.state, finding.message) == (state, said)
