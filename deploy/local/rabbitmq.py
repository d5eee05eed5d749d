"""A private RabbitMQ node with its own name, cookie, ports and files, unseen by any other on the machine."""

import hashlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from deploy.local.applications import link_applications
from deploy.local.errors import CommandFailed, ends_in_time
from deploy.local.ports import LOOPBACK
from deploy.local.processes import Process, is_alive, spawn
from deploy.local.programs import rabbitmq_programs
from deploy.local.server import Server

_STOP_SECONDS = 30.0
_CTL_SECONDS = 300.0  # seconds where the machine is idle, minutes where it is not
_CONFIGURATION = """\
listeners.tcp.1 = {address}:{port}
max_message_size = 4194304
disk_free_limit.absolute = 50MB
"""
_ERLANG = "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
# The header a client opens with; a node that serves answers with a method frame (AMQP 0-9-1, 4.2.2).
_GREETING = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


class RabbitServer(Server):
    """A private RabbitMQ node for the user guest, reachable from this machine only."""

    port_names: ClassVar[tuple[str, ...]] = ("amqp", "distribution", "epmd")
    taken_words: ClassVar[tuple[str, ...]] = (
        "eaddrinuse",
        "address already in use",
        "dist_port_already_used",
    )

    @property
    def url(self) -> str:
        """The connection URL of the default virtual host."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/"

    @property
    def node(self) -> str:
        """The Erlang node's name, the same for the same directory."""
        digest = hashlib.sha256(str(self.directory).encode()).hexdigest()
        return f"session_store_{digest[:12]}@localhost"

    def stop(self) -> None:
        """Have the node ended in good order, its queues written."""
        self._finish(signal.SIGTERM, _STOP_SECONDS)

    def restart(self, mode: Literal["stop", "kill"] = "stop") -> None:
        """End the node in this way and start it again on the same port, unless it is taken."""
        if mode == "kill":
            self.kill()
        else:
            self.stop()
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """The environment that any `rabbitmqctl` needs to reach this node."""
        programs = f"{rabbitmq_programs()}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**self._environment(), "PATH": programs}

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on this node; returns its output, raises CommandFailed with its complaint."""
        done = self._run([str(rabbitmq_programs() / "rabbitmqctl"), "--quiet", *arguments])
        if done.returncode != 0:
            raise CommandFailed(
                f"rabbitmqctl {' '.join(arguments)}: {done.stdout.strip()} {done.stderr.strip()}"
            )
        return done.stdout.strip()

    def sync(self) -> None:
        """Have the queues and bindings declared so far on disk.

        RabbitMQ writes the index of its quorum queues (a dets table) every half second: a node killed sooner
        forgets a new queue's log, confirmed messages with it, and the queue has no leader (seen on 3.10.8). It
        writes Mnesia's log every two seconds: a node killed sooner forgets a binding (seen on 3.10.8 and 4.0.5).
        """
        self._evaluate("catch mnesia:sync_log(), [dets:sync(Table) || Table <- dets:all()].")

    def erase(self) -> None:
        """Have the node killed and every file of it gone."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _evaluate(self, expression: str) -> None:
        """Have the node evaluate an expression of Erlang."""
        program = shutil.which("erl_call")  # in C: rabbitmqctl starts an Erlang, a second of processor time
        port = self._record.ports["distribution"]
        if program:
            done = self._run([program, "-address", f"{LOOPBACK}:{port}", "-e"], f"{expression}\n")
            if done.returncode == 0 and done.stdout.startswith("{ok,"):
                return
        self.ctl("eval", expression)

    def _run(self, command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program that reaches this node, with a text on its standard input, to its end."""
        with ends_in_time(Path(command[0]).name):
            return subprocess.run(
                command,
                input=text,
                env=self._environment(),
                cwd=self.directory,
                capture_output=True,
                text=True,
                check=False,
                timeout=_CTL_SECONDS,
            )

    def _prepare(self) -> None:
        (self.directory / "environment").write_text(self._code_path())
        for name in ("home", "mnesia", "logs"):
            (self.directory / name).mkdir(exist_ok=True)
        self._write_cookie()
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "rabbitmq.conf").write_text(self._configuration())
        self._start_port_mapper()

    def _configuration(self) -> str:
        return _CONFIGURATION.format(address=LOOPBACK, port=self.port)

    def _code_path(self) -> str:
        """Return the lines that give RabbitMQ's scripts and the node a code path without plugins."""
        home = self.directory / "applications"
        home.mkdir(exist_ok=True)
        if not link_applications(rabbitmq_programs().parent / "plugins", home / "plugins"):
            return ""
        # The scripts put the applications of the one into the code path, the node those of the other.
        return f"RABBITMQ_HOME={shlex.quote(str(home))}\nPLUGINS_DIR={shlex.quote(f'{home}/plugins')}\n"

    def _write_cookie(self) -> None:
        cookie = self.directory / "home" / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(20))
            cookie.chmod(0o400)

    def _start_port_mapper(self) -> None:
        """Start the node's own epmd: one that the node started itself would outlive it unseen."""
        program = shutil.which("epmd")
        companion = self._record.companion
        if program is None or (companion and is_alive(companion)):
            return
        companion = self._spawn([program, "-port", str(self._mapper_port())])
        self._keep(replace(self._record, companion=companion))

    def _mapper_port(self) -> int:
        return self._record.ports["epmd"]

    def _launch(self) -> Process:
        return self._spawn([str(rabbitmq_programs() / "rabbitmq-server"), "-noinput"])

    def _spawn(self, command: list[str]) -> Process:
        return spawn(command, log=self.log, environment=self._environment(), directory=self.directory)

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=5) as client:
                client.settimeout(5)
                client.sendall(_GREETING)
                return client.recv(1) == _METHOD_FRAME
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        ports, here = self._record.ports, self.directory
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(here / "home"),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._mapper_port()),
            # Without it a shell stays in between and turns signals into a slow rabbitmqctl.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(here / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(here / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(here / "environment"),
            "RABBITMQ_DIST_PORT": str(ports["distribution"]),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(here / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(here / "logs"),
            "RABBITMQ_MNESIA_BASE": str(here / "mnesia"),
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(ports["amqp"]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }
