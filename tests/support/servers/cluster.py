"""Three private RabbitMQ nodes that are one broker, for tests of the loss of a node."""

import os
import secrets
import shutil
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Final

from deploy.local.errors import MissingPrograms
from deploy.local.ports import LOOPBACK, answers
from deploy.local.processes import Process, spawn
from deploy.local.rabbitmq import RabbitServer
from deploy.local.server import Server

NODES: Final = 3
_JOINING = """\
cluster_partition_handling = pause_minority
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {first}
"""
_STOP_SECONDS = 5.0


class PortMapper(Server):
    """The epmd by which the nodes of a cluster find each other; it outlives all of them."""

    port_names: ClassVar[tuple[str, ...]] = ("epmd",)
    taken_words: ClassVar[tuple[str, ...]] = ("address already in use",)

    def stop(self) -> None:
        """End it by SIGTERM."""
        self._finish(signal.SIGTERM, _STOP_SECONDS)

    def _prepare(self) -> None:
        """Prepare nothing: it has no files."""

    def _launch(self) -> Process:
        program = shutil.which("epmd")
        if program is None:
            raise MissingPrograms("Erlang's epmd is not on this machine: it comes with RabbitMQ")
        environment = {"PATH": os.environ.get("PATH", os.defpath), "ERL_EPMD_ADDRESS": LOOPBACK}
        command = [program, "-port", str(self.port)]
        return spawn(command, log=self.log, environment=environment, directory=self.directory)

    def _is_ready(self) -> bool:
        return answers(self.port)


class ClusterNode(RabbitServer):
    """One node; if a node `first` is given, it joins that node's broker at its first start."""

    port_names: ClassVar[tuple[str, ...]] = ("amqp", "distribution")

    def __init__(
        self, directory: Path, mapper: PortMapper, cookie: str, first: RabbitServer | None = None
    ) -> None:
        super().__init__(directory)
        self._mapper = mapper
        self._cookie = cookie
        self._first = first or self

    def _configuration(self) -> str:
        return super()._configuration() + _JOINING.format(first=self._first.node)

    def _write_cookie(self) -> None:
        path = self.directory / "home" / ".erlang.cookie"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(self._cookie)
        path.chmod(0o400)

    def _start_port_mapper(self) -> None:
        self._mapper.start()

    def _mapper_port(self) -> int:
        return self._mapper.port


class RabbitCluster:
    """A broker of three nodes, each reachable from this machine only, with their files in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._mapper = PortMapper(directory / "epmd")
        cookie = secrets.token_hex(20)
        first = ClusterNode(directory / "node-0", self._mapper, cookie)
        others = [
            ClusterNode(directory / f"node-{at}", self._mapper, cookie, first) for at in range(1, NODES)
        ]
        self.nodes: Sequence[ClusterNode] = (first, *others)

    @property
    def url(self) -> str:
        """One connection URL with every node in it, the first one first."""
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)
        return f"amqp://guest:guest@{hosts}/"

    def start(self) -> None:
        """Start every node in the cluster: the first, then the others at the same time."""
        self._mapper.start()
        self.nodes[0].start()
        with ThreadPoolExecutor() as pool:
            for started in [pool.submit(node.start) for node in self.nodes[1:]]:
                started.result()

    def sync(self) -> None:
        """Write the queues declared so far to every node's disk (`RabbitServer.sync`)."""
        for node in self.nodes:
            node.sync()

    def erase(self) -> None:
        """Kill every node and delete every file."""
        for node in self.nodes:
            node.erase()
        self._mapper.stop()
        shutil.rmtree(self._directory, ignore_errors=True)
