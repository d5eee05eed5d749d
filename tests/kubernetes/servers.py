"""A PostgreSQL and a RabbitMQ in the cluster, their certificates, and the way to the broker."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

from contracts.access import ENGINE, EVENTS_VHOST
from tests.kubernetes.cluster import SERVERS, Cluster, Failed

PAGE: Final = Path(__file__).with_name("servers.yaml")
POSTGRES: Final = f"postgres.{SERVERS}.svc"
RABBITMQ: Final = f"rabbitmq.{SERVERS}.svc"
LOOPBACK: Final = "127.0.0.1"
STARTED: Final = "--timeout=10m"
READY_SECONDS: Final = 60
REDELIVERED: Final = (
    "lists:sum([maps:get(messages_redelivered_total, Counted, 0)"
    " || Counted <- maps:values(rabbit_global_counters:overview())])."
)


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of a cluster; `place` is a private directory for passwords and the authority's certificate."""

    cluster: Cluster
    place: Path

    @property
    def authority(self) -> Path:
        """The certificate of the authority that issued the servers' certificates."""
        return self.place / "authority.crt"

    @property
    def passwords(self) -> Path:
        """The directory in which the printed commands keep the passwords."""
        return self.place / "passwords"

    def password(self, server: str, login: str) -> str:
        """Return the password of a login, once the printed commands have made it."""
        return (self.passwords / server / login).read_text(encoding="utf-8")

    async def start(self) -> None:
        """Start both; write the superuser's password where the printed commands read it; raises Failed."""
        self.passwords.mkdir(mode=0o700)
        superuser = secrets.token_hex(16)
        (self.passwords / "superuser").write_text(superuser, encoding="utf-8")
        await self.cluster.kubectl("create", "namespace", SERVERS)
        given = f"--from-literal=password={superuser}"
        await self._within("create", "secret", "generic", "superuser", given)
        await self._within("create", "secret", "generic", "tls", *self._certificate())
        await self._within("apply", "--filename", str(PAGE))
        for name in ("postgres", "rabbitmq"):
            await self._within("rollout", "status", f"statefulset/{name}", STARTED)

    async def stop_postgres(self) -> None:
        """Stop PostgreSQL; its data stays."""
        await self._within("scale", "statefulset/postgres", "--replicas=0")
        await self._within("wait", "pod/postgres-0", "--for=delete", STARTED)

    async def start_postgres(self) -> None:
        """Start PostgreSQL again."""
        await self._within("scale", "statefulset/postgres", "--replicas=1")
        await self._within("rollout", "status", "statefulset/postgres", STARTED)

    async def count_redelivered(self) -> int:
        """Return the broker's count of repeated deliveries, of all queues, since its start."""
        return int(
            await self._within("exec", "statefulset/rabbitmq", "--", "rabbitmqctl", "eval", REDELIVERED)
        )

    async def lets_in(self, login: str, password: str) -> bool:
        """Return whether PostgreSQL accepts the password, over TLS; raises Failed on any other error."""
        url = f"postgresql://{login}:{password}@{POSTGRES}:5432/sessions?sslmode=require"
        words = ("exec", "statefulset/postgres", "--", "psql", url, "--command", "SELECT 1")
        done = await asyncio.to_thread(self.cluster.attempt, "--namespace", SERVERS, *words)
        if done.returncode and "password authentication failed" not in done.stderr:
            raise Failed(f"psql as {login}: {done.stderr.strip()}")
        return done.returncode == 0

    @asynccontextmanager
    async def engine_url(self) -> AsyncIterator[str]:
        """Yield the engines' URL of the broker, by a port of this machine that is forwarded meanwhile."""
        words = ("port-forward", "--address", LOOPBACK, "--namespace", SERVERS, "pod/rabbitmq-0", ":5671")
        process = await asyncio.create_subprocess_exec(
            *("kubectl", "--context", self.cluster.context, *words), stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            line = await asyncio.wait_for(process.stdout.readline(), READY_SECONDS)
            if not line:
                raise Failed("kubectl port-forward ended")
            port = int(line.decode().partition(" -> ")[0].rpartition(":")[2])
            login = f"{ENGINE}:{self.password('rabbitmq', ENGINE)}"
            yield f"amqps://{login}@{LOOPBACK}:{port}/{EVENTS_VHOST}?cafile={self.authority}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    def _certificate(self) -> list[str]:
        """Return the options of a secret with a certificate for both; writes the authority's to its file."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.authority)
        issued = authority.issue_cert(POSTGRES, RABBITMQ, LOOPBACK)
        issued.private_key_pem.write_to_path(self.place / "tls.key")
        (self.place / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
        files = {"ca.crt": "authority.crt", "tls.crt": "tls.crt", "tls.key": "tls.key"}
        return [f"--from-file={key}={self.place / file}" for key, file in files.items()]

    async def _within(self, *words: str) -> str:
        return await self.cluster.kubectl("--namespace", SERVERS, *words)
