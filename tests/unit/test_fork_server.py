"""A forked program behaves as an executed one does."""

import signal

import pytest

from tests.support.programs.command import run_command
from tests.support.programs.forked import FORKING
from tests.support.programs.replica import Replica

AWAY = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "AMQP_URL": "amqp://nobody@127.0.0.1:1/",
    "SESSION_STORE_PATIENCE_S": "7",
}


@pytest.mark.parametrize(
    "words",
    [
        ("config", "--json"),
        ("no-such-command",),
        ("run", "--help"),
        ("roles", "--passwords", "-"),
        ("topology",),
    ],
    ids=" ".join,
)
def test_a_forked_command_prints_and_ends_as_an_executed_one(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    forked = run_command(*words, variables=AWAY, stdin="nobody secret\n")
    monkeypatch.setattr(FORKING, "server", None)
    executed = run_command(*words, variables=AWAY, stdin="nobody secret\n")
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        executed.returncode,
        executed.stdout,
        executed.stderr,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_forked_worker_takes_signals_and_its_end_is_seen(number: signal.Signals) -> None:
    worker = await Replica.start(AWAY)
    await worker.logged("storage.unavailable")
    worker.send(number)
    assert await worker.ended() == (-number if number is signal.SIGKILL else 0)
    assert not worker.is_running


def test_a_program_with_a_variable_for_the_interpreter_is_executed() -> None:
    assert FORKING.of_command({"PYTHONPATH": "/elsewhere"}) is None
    assert FORKING.of_worker({"PATH": "/bin"}) is FORKING.server
