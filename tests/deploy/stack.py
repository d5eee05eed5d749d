"""The compose stack without containers: its services' commands, files and settings on private servers."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.local.instance import PROJECT
from deploy.local.ports import LOOPBACK
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from tests.support.programs.command import run_command
from tests.support.programs.page import run_commands

PLACE: Final = PROJECT / "deploy" / "compose"
PAGE: Final = PLACE / "stack.yaml"
LOGINS: Final = "/run/logins"
"""The directory in which a service finds its logins."""

Service = dict[str, Any]


def services() -> dict[str, Service]:
    """Return the services of the stack by their names."""
    loaded: dict[str, Service] = yaml.safe_load(PAGE.read_text(encoding="utf-8"))["services"]
    return loaded


def mounts(service: Service) -> dict[str, str]:
    """Return the volumes, or paths of the project, by their path in the service."""
    return {volume.split(":")[1]: volume.split(":")[0] for volume in service.get("volumes", [])}


class StackBroker(RabbitServer):
    """A node with the stack's settings, except paths and ports."""

    definitions: Path

    @property
    def address(self) -> str:
        """Host and port; before the first start, which needs only definitions, the port is not ours."""
        return f"{LOOPBACK}:{self._record.ports.get('amqp', 1)}"

    def _configuration(self) -> str:
        loaded = (
            (PLACE / "rabbitmq.conf").read_text().replace(f"{LOGINS}/definitions.json", str(self.definitions))
        )
        own = super()._configuration().replace("max_message_size = 4194304\n", "")
        return own + loaded


@dataclass(frozen=True, slots=True)
class Stack:
    """The stack's logins in `directory`, and servers that accept them."""

    directory: Path
    postgres: PostgresServer
    rabbit: StackBroker

    def make_logins(self, *words: str) -> str:
        """Run the command of the service `logins`, and return its output."""
        places = {
            "/logins": str(self.directory),
            "postgres:5432/sessions": f"{LOOPBACK}:{self.postgres.port}/sessions",
            "rabbitmq:5672": self.rabbit.address,
            "python": sys.executable,
        }
        entrypoint = services()["logins"]["entrypoint"]
        return run_commands(" ".join([*(places.get(word, word) for word in entrypoint), *words]), {})

    def place_of(self, service: str) -> Path:
        """Return the directory of the service's logins: that of its volume, as `logins` writes it."""
        volume = mounts(services()[service])[LOGINS]
        [seen] = [place for place, name in mounts(services()["logins"]).items() if name == volume]
        return Path(seen.replace("/logins", str(self.directory)))

    def variables_of(self, service: str) -> dict[str, str]:
        """Return the environment of one of our services."""
        given: dict[str, str] = services()[service]["environment"]
        place = str(self.place_of(service))
        return {name: value.replace(LOGINS, place) for name, value in given.items()}

    def run(self, service: str) -> str:
        """Run one of our services to its end, assert that it succeeds, and return its output."""
        place = str(self.place_of(service))
        words = [word.replace(LOGINS, place) for word in services()[service]["command"]]
        done = run_command(*words, variables=self.variables_of(service))
        assert done.returncode == 0, f"{service}: {done.stdout}{done.stderr}"
        return done.stdout

    def shown(self) -> dict[str, str]:
        """Return the logins that the stack shows to people."""
        lines = self.make_logins("--show").splitlines()
        return {line[:13].strip(): line[13:].strip() for line in lines}
