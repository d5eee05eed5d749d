"""An instance's servers as containers: the fall-back where server programs are missing and an engine answers."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Final

from deploy.local.endpoints import DATABASE, Endpoints
from deploy.local.errors import CommandFailed
from deploy.local.postgres import ROLE

_COMPOSE_FILE: Final = Path(__file__).resolve().parent.parent / "compose" / "compose.yaml"
_ENGINE_SECONDS = 20


def engine_answers() -> bool:
    """Say whether `docker compose` is installed and its engine runs."""
    if shutil.which("docker") is None:
        return False
    return all(_answers(["docker", *words]) for words in (("compose", "version"), ("info",)))


class ContainerServers:
    """A PostgreSQL and a RabbitMQ of one compose project, named after the instance's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._project = f"session-store-{directory.name}"

    def start(self) -> Endpoints:
        """Have both running and ready, with a database for sessions; returns where they are."""
        self._compose("up", "--detach", "--wait")
        return self._where()

    def stop(self) -> None:
        """Have both ended; their data stays."""
        self._compose("stop")

    def endpoints(self) -> Endpoints | None:
        """Return where both are, None unless both run."""
        running = self._compose("ps", "--services", "--status", "running").split()
        return self._where() if {"postgres", "rabbitmq"} <= set(running) else None

    def describe(self) -> list[str]:
        """Return the lines that compose prints about them."""
        return self._compose("ps").splitlines()

    def has_consumers(self) -> bool:
        """Return whether the write queue has a consumer."""
        rows = self._compose(
            "exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "name", "consumers"
        )
        return any(row.split() == ["session.write", "1"] for row in rows.splitlines())

    def erase(self) -> None:
        """Have both gone with all they store."""
        self._compose("down", "--volumes")

    def _where(self) -> Endpoints:
        postgres, rabbitmq = (
            self._compose("port", "postgres", "5432"),
            self._compose("port", "rabbitmq", "5672"),
        )
        return Endpoints(
            f"postgresql://{ROLE}:{self._password()}@{postgres}/{DATABASE}", f"amqp://guest:guest@{rabbitmq}/"
        )

    def _compose(self, *words: str) -> str:
        command = ["docker", "compose", "--file", str(_COMPOSE_FILE), "--project-name", self._project, *words]
        environment = {**os.environ, "POSTGRES_PASSWORD": self._password()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandFailed(f"{' '.join(command)}:\n{done.stderr.strip()}")
        return done.stdout.strip()

    def _password(self) -> str:
        kept = self._directory / "password"
        if not kept.exists():
            self._directory.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_hex(16))
        return kept.read_text()


def _answers(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_ENGINE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
