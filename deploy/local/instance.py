"""Servers by name: each instance has its directory under `.local/`."""

from pathlib import Path
from typing import Final, Protocol

from deploy.local.containers import ContainerServers, engine_answers
from deploy.local.endpoints import Endpoints
from deploy.local.errors import MissingPrograms
from deploy.local.install import how_to_install, missing_packages
from deploy.local.private import PrivateServers
from deploy.local.programs import find_postgres, find_rabbitmq

PROJECT: Final = Path(__file__).resolve().parent.parent.parent
LOCAL: Final = PROJECT / ".local"


class Servers(Protocol):
    """A PostgreSQL and a RabbitMQ that belong together."""

    def start(self) -> Endpoints:
        """Have both running and ready, with a database for sessions; returns where they are."""

    def stop(self) -> None:
        """Have both ended in good order; their data stays."""

    def endpoints(self) -> Endpoints | None:
        """Return where both are, None unless both run."""

    def describe(self) -> list[str]:
        """Return a description of each, for a person."""

    def has_consumers(self) -> bool:
        """Return whether the write queue has a consumer."""

    def erase(self) -> None:
        """Have both gone with all they store."""


def servers_of(instance: str) -> Servers:
    """Return the instance's servers, running or not; raises MissingPrograms when this machine has no way."""
    directory = LOCAL / instance
    if find_postgres() and find_rabbitmq():
        return PrivateServers(directory)
    if engine_answers():
        return ContainerServers(directory)
    raise MissingPrograms(how_to_install(missing_packages()))
