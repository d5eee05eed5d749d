"""A certificate authority of the tests, and servers that present its certificates."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from deploy.local.ports import LOOPBACK, choose_port
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.command import run_command

ELSEWHERE = "elsewhere.example"
CLIENT = "session_store"
_RABBIT = """
[{{rabbit, [
  {{ssl_listeners, [{{"{host}", {port}}}]}},
  {{ssl_options, [{{cacertfile, "{at}/ca.pem"}}, {{certfile, "{at}/cert.pem"}}, {{keyfile, "{at}/key.pem"}},
                  {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}]}}
]}}].
"""
_POSTGRES = """
ssl = on
ssl_cert_file = '{at}/cert.pem'
ssl_key_file = '{at}/key.pem'
ssl_ca_file = '{at}/ca.pem'
hba_file = '{at}/logins'
"""
_LOGINS = """
hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-full
hostnossl all all 127.0.0.1/32 scram-sha-256
"""


class SecureServers:
    """Both servers; over TLS they require a client's certificate. The files are in `at`."""

    def __init__(self, at: Path, postgres: PostgresServer, rabbit: RabbitServer) -> None:
        self.at = at
        self.postgres = postgres
        self.rabbit = rabbit
        self.port = choose_port()
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(at / "ca.pem")
        trustme.CA().cert_pem.write_to_path(at / "stranger.pem")
        client = self._authority.issue_cert(ELSEWHERE, common_name=CLIENT)
        client.private_key_and_cert_chain_pem.write_to_path(at / "client.pem")
        (at / "client.pem").chmod(0o600)

    def start(self) -> None:
        """Start both servers with a valid certificate."""
        self.postgres.start()
        self.rabbit.directory.mkdir(parents=True, exist_ok=True)
        self._write(self._authority.issue_cert(LOOPBACK))
        (self.rabbit.directory / "advanced.config").write_text(
            _RABBIT.format(host=LOOPBACK, port=self.port, at=self.at)
        )
        (self.at / "logins").write_text(_LOGINS)
        self.postgres.configure(_POSTGRES.format(at=self.at))
        self.postgres.restart()
        self.rabbit.restart()

    @contextmanager
    def showing(self, kind: str) -> Iterator[None]:
        """Make both servers present another certificate meanwhile: `expired`, or for `another host`."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        bad = {
            "expired": lambda: self._authority.issue_cert(LOOPBACK, not_after=yesterday),
            "another host": lambda: self._authority.issue_cert(ELSEWHERE),
        }
        self._show(bad[kind]())
        yield
        self._show(self._authority.issue_cert(LOOPBACK))

    def database_url(self, authority: str = "ca.pem") -> str:
        """Return a URL that requires TLS, verified by this authority."""
        files = self._files(authority, "sslrootcert", "sslcert", "sslkey")
        return f"{self.postgres.url}?sslmode=verify-full&{files}"

    def amqp_url(self, authority: str = "ca.pem") -> str:
        """Return a URL that requires TLS, verified by this authority."""
        files = self._files(authority, "cafile", "certfile", "keyfile")
        return f"amqps://guest:guest@{LOOPBACK}:{self.port}/?{files}"

    def urls(self, database: str = "ca.pem", broker: str = "ca.pem") -> dict[str, str]:
        """Return the variables with the URLs of both servers, verified by these authorities."""
        return {"DATABASE_URL": self.database_url(database), "AMQP_URL": self.amqp_url(broker)}

    def _files(self, authority: str, *names: str) -> str:
        """Return the options of a URL that name the authority, the client's certificate and its key."""
        files = (authority, "client.pem", "client.pem")
        return "&".join(f"{name}={self.at / file}" for name, file in zip(names, files, strict=True))

    def _show(self, certificate: trustme.LeafCert) -> None:
        self._write(certificate)
        self.postgres.psql("SELECT pg_reload_conf()")
        self.rabbit.ctl("eval", "ssl:clear_pem_cache().")

    def _write(self, certificate: trustme.LeafCert) -> None:
        key = self.at / "key.pem"
        certificate.cert_chain_pems[0].write_to_path(self.at / "cert.pem")
        certificate.private_key_pem.write_to_path(key)
        key.chmod(0o600)
        owner = Path(f"/proc/{self.postgres.pid}").stat()
        os.chown(key, owner.st_uid, owner.st_gid)


@contextmanager
def prepared_servers(postgres: PostgresServer, rabbit: RabbitServer) -> Iterator[SecureServers]:
    """Yield servers with TLS and client certificates, migrated and with the topology declared."""
    with reachable_directory() as at:
        secure = SecureServers(at, postgres, rabbit)
        secure.start()
        for command in ("migrate", "topology"):
            done = run_command(command, variables=secure.urls())
            assert done.returncode == 0, done.stderr
        yield secure


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """Yield a directory that the servers' users can enter."""
    at = Path(tempfile.mkdtemp(prefix="session-store-tls-"))
    at.chmod(0o755)
    yield at
    shutil.rmtree(at)
