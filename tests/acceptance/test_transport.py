"""TLS to both servers, verified, with a client's certificate; nothing in plain text to another host."""

import pytest

from tests.support.programs.command import run_command
from tests.support.programs.replica import Replica
from tests.support.servers.authority import SecureServers

WRONG = {
    "expired": "the server's certificate has expired",
    "another host": "the server's certificate is for another host",
}
STRANGER = "the server's certificate is of an unknown authority"


def variables(secure: SecureServers, database: str = "ca.pem", broker: str = "ca.pem") -> dict[str, str]:
    return {
        **secure.urls(database, broker),
        "SESSION_STORE_STARTUP_TIMEOUT_S": "0",
        "SESSION_STORE_HTTP_PORT": "0",
    }


async def test_a_worker_serves_over_tls_with_its_own_certificate(secure_servers: SecureServers) -> None:
    replica = await Replica.start(variables(secure_servers))
    try:
        await replica.logged("broker.connected")
        assert run_command("health", variables=variables(secure_servers)).returncode == 0
        over_tls = secure_servers.postgres.psql(
            "SELECT bool_and(ssl), min(client_dn) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE application_name LIKE 'session-store%'"
        )
        assert over_tls.startswith("t|")
        assert "/CN=session_" in over_tls
    finally:
        await replica.stop()


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_certificate_is_refused_and_said(secure_servers: SecureServers, kind: str) -> None:
    with secure_servers.showing(kind):
        database = run_command("migrate", "--status", variables=variables(secure_servers))
        broker = run_command("topology", "--check", variables=variables(secure_servers))
        doctor = run_command("doctor", variables=variables(secure_servers))
    assert doctor.stdout.count(WRONG[kind]) == 2, doctor.stdout
    assert [database.returncode, broker.returncode] == [75, 75]
    assert WRONG[kind] in database.stderr
    assert WRONG[kind] in broker.stderr


@pytest.mark.parametrize("server", ["database", "broker"])
def test_a_server_of_an_unknown_authority_is_refused(secure_servers: SecureServers, server: str) -> None:
    done = run_command("run", variables=variables(secure_servers, **{server: "stranger.pem"}))
    assert done.returncode == 75
    assert STRANGER in done.stderr


def test_a_mode_that_only_prefers_tls_goes_on_without_it(secure_servers: SecureServers) -> None:
    """The server takes TLS only with a client's certificate, and plain text without a certificate."""
    plain = variables(secure_servers) | {"DATABASE_URL": secure_servers.postgres.url}
    for mode in ("prefer", "allow", "disable"):
        url = f"{secure_servers.postgres.url}?sslmode={mode}"
        done = run_command("migrate", "--status", variables=plain | {"DATABASE_URL": url})
        assert done.returncode == 0, done.stderr
    done = run_command("migrate", "--status", variables=plain | {"PGSSLMODE": "require"})
    assert done.returncode == 78
    assert "login refused" in done.stderr


def test_plain_text_to_another_host_needs_a_word() -> None:
    away = {"DATABASE_URL": "postgresql://u:secret@db.invalid/d", "AMQP_URL": "amqp://u:secret@mq.invalid/"}
    refused = run_command("run", variables=away)
    assert refused.returncode == 78
    assert "DATABASE_URL leads to db.invalid in plain text" in refused.stderr
    assert "AMQP_URL leads to mq.invalid in plain text" in refused.stderr
    assert "secret" not in refused.stderr
    allowed = {
        "SESSION_STORE_ALLOW_PLAIN_TEXT": "true",
        "SESSION_STORE_STARTUP_TIMEOUT_S": "0",
        "SESSION_STORE_HTTP_PORT": "0",
    }
    assert run_command("run", variables=away | allowed).returncode == 75
