"""A URL that is unreadable, or leads elsewhere in plain text: status 78 and the rule, without the URL."""

from pathlib import Path
from typing import Final

import pytest

from contracts.urls import RULE
from tests.support.programs.command import run_command
from tests.support.programs.installation import Variables

LOCAL: Final = {
    "DATABASE_URL": "postgresql://u:secret@127.0.0.1:1/d",
    "AMQP_URL": "amqp://u:secret@127.0.0.1:1/",
    "SESSION_STORE_STARTUP_TIMEOUT_S": "0",
    "SESSION_STORE_HTTP_PORT": "0",
    "SESSION_STORE_LOG_FORMAT": "json",
}
OF_THE_DATABASE: Final = (
    ("run",),
    ("migrate",),
    ("roles",),
    ("export", "--to", "x.ndjson"),
    ("retain", "--tombstone-days", "400"),
    ("partition", "show"),
)
OF_THE_BROKER: Final = (("run",), ("topology",), ("dead", "list"), ("health",))


def refusal_of(command: tuple[str, ...], variables: Variables) -> str:
    """Return a command's message about a wrong configuration, without the program's name."""
    done = run_command(*command, variables={**LOCAL, **variables})
    assert (done.returncode, done.stdout) == (78, "")
    assert "secret" not in done.stderr
    return done.stderr.replace("session-store: ", "").strip()


@pytest.mark.parametrize("command", OF_THE_DATABASE, ids=" ".join)
def test_a_database_url_is_refused_by_every_command(command: tuple[str, ...]) -> None:
    said = refusal_of(command, {"DATABASE_URL": "postgresql://u:a@secret/x@127.0.0.1/d"})
    assert said == f"DATABASE_URL {RULE}"
    said = refusal_of(command, {"DATABASE_URL": "postgresql://u:secret@/d", "PGHOST": "db.invalid"})
    assert said.startswith("DATABASE_URL leads to db.invalid in plain text; ask for TLS: ")


@pytest.mark.parametrize("command", OF_THE_BROKER, ids=" ".join)
def test_a_brokers_url_is_refused_by_every_command(command: tuple[str, ...]) -> None:
    said = refusal_of(command, {"AMQP_URL": "amqp://u:secret[x@127.0.0.1/"})
    assert said == f"AMQP_URL {RULE}"
    said = refusal_of(command, {"AMQP_URL": "amqp://u:secret@mq.invalid/"})
    assert said.startswith("AMQP_URL leads to mq.invalid in plain text; ask for TLS: ")


@pytest.mark.parametrize("value", ["a,,b", "db.invalid:x"])
def test_a_wrong_variable_of_libpq_is_named(value: str) -> None:
    variables = {name: text for name, text in LOCAL.items() if name != "DATABASE_URL"}
    done = run_command("migrate", variables={**variables, "PGHOST": value, "PGPASSWORD": "secret"})
    assert done.returncode == 78
    assert done.stderr.startswith("session-store: PGHOST and related variables: ")
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("url", "variables", "said"),
    [
        ("?sslmode=verify-full", {"HOME": "/dev/null"}, "there is none at /dev/null/.postgresql/root.crt"),
        ("?sslmode=verify-full&sslrootcert=/no/ca.pem", {}, "names /no/ca.pem as sslrootcert: No such file"),
        (
            "",
            {"PGSSLMODE": "require", "PGSSLCERT": "/no/c.pem"},
            "/no/c.pem as sslcert (from PGSSLCERT): No such",
        ),
        ("?channel_binding=require", {}, "asks for channel_binding, which is not supported"),
        ("?service=x", {"PGSERVICEFILE": "/no/services"}, "the service 'x', which is not in /no/services"),
    ],
)
def test_the_parameter_or_the_file_that_is_wrong_is_named(url: str, variables: Variables, said: str) -> None:
    text = refusal_of(("migrate",), {"DATABASE_URL": f"postgresql://u:secret@127.0.0.1/d{url}", **variables})
    assert said in text


def test_the_doctor_finds_the_same_of_a_replica() -> None:
    replica = {"SESSION_STORE_READ_DATABASE_URL": "postgresql://u:secret@replica.invalid/d"}
    done = run_command("doctor", variables={**LOCAL, **replica})
    assert "settings.replica_url" in done.stdout
    assert "leads to replica.invalid without TLS" in done.stdout
    replica["SESSION_STORE_READ_DATABASE_URL"] += "?sslmode=verify-full&sslrootcert=/no/ca.pem"
    done = run_command("doctor", variables={**LOCAL, **replica})
    assert done.returncode == 78
    assert "names /no/ca.pem as sslrootcert" in " ".join(done.stdout.split())


def test_the_doctor_finds_the_same() -> None:
    done = run_command(
        "doctor", variables={**LOCAL, "DATABASE_URL": "postgresql://u:secret@/d", "PGHOST": "db.invalid"}
    )
    assert "leads to db.invalid without TLS" in done.stdout
    wrong = run_command("doctor", variables={**LOCAL, "DATABASE_URL": "postgresql://u:secret#@127.0.0.1/d"})
    assert wrong.returncode == 78
    assert "write @ as %40" in " ".join(wrong.stdout.split())
    assert "secret" not in done.stdout + done.stderr + wrong.stdout + wrong.stderr


def test_what_is_ignored_is_said_once(tmp_path: Path) -> None:
    url = f"{LOCAL['DATABASE_URL']}?load_balance_hosts=random"
    done = run_command("migrate", variables={**LOCAL, "DATABASE_URL": url}, directory=tmp_path)
    first = done.stderr.splitlines()[0]
    assert first == (
        "session-store: DATABASE_URL: load_balance_hosts is ignored: hosts are tried in the order written"
    )
    assert done.returncode == 75
