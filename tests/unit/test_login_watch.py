"""A login that stays refused ends the worker, so that systemd starts it with the current login."""

import pytest

from worker.errors import LoginRefused
from worker.observability.login_watch import MAX_REFUSED_SECONDS, LoginWatch
from worker.settings.loading import load


def test_a_login_that_stays_refused_ends_the_worker_once() -> None:
    now, left = [0.0], []
    watch = LoginWatch(lambda: left.append(now[0]), clock=lambda: now[0])
    for second in range(60):
        now[0] = float(second)
        watch.note(refused=True)
    assert left == [MAX_REFUSED_SECONDS]
    with pytest.raises(LoginRefused):
        watch.check()


def test_a_login_that_is_accepted_in_between_goes_on() -> None:
    now, left = [0.0], []
    watch = LoginWatch(lambda: left.append(now[0]), clock=lambda: now[0])
    for second in range(120):
        now[0] = float(second)
        watch.note(refused=second % 20 != 0)
    watch.check()
    assert left == []


def test_without_copied_logins_nothing_happens() -> None:
    now = [0.0]
    watch = LoginWatch(None, clock=lambda: now[0])
    watch.note(refused=True)
    now[0] = 1_000.0
    watch.note(refused=True)
    watch.check()


@pytest.mark.parametrize(
    ("variable", "is_copied"), [("CREDENTIALS_DIRECTORY", True), ("SESSION_STORE_SECRETS_DIR", False)]
)
def test_only_systemds_copies_never_change(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, variable: str, is_copied: bool
) -> None:
    directory = tmp_path_factory.mktemp("logins")
    (directory / "DATABASE_URL").write_text("postgresql://127.0.0.1/d")
    (directory / "AMQP_URL").write_text("amqp://127.0.0.1/")
    for name in ("DATABASE_URL", "AMQP_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(directory))
    assert load().has_copied_logins is is_copied
