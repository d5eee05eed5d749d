"""Private servers from the command line: `python3 -m deploy.local --help`."""

import argparse
import shutil
import sys
from collections.abc import Callable
from typing import Final

from deploy.local.containers import engine_answers
from deploy.local.errors import LocalServerError
from deploy.local.install import NPM, VENV, how_to_install, install, may_install, missing_packages
from deploy.local.instance import LOCAL, Servers, servers_of
from deploy.local.worker import WorkerProcess

_SUMMARY: Final = """
Running: PostgreSQL, RabbitMQ{worker}. To use them from this shell:

{exports}

Their files and logs are under {directory}; `make status` shows them, `make down` stops them.
"""


def main() -> int:
    """Run one command; returns the exit status."""
    arguments = _parse()
    try:
        return COMMANDS[arguments.command](arguments)
    except LocalServerError as error:
        print(error, file=sys.stderr)
        return 1


def _install(arguments: argparse.Namespace) -> int:
    missing = missing_packages(for_tests=arguments.for_tests)
    if missing and may_install():
        install(missing, _report)
        missing = missing_packages(for_tests=arguments.for_tests)
    if missing and engine_answers():
        _report("servers will run in containers")
        missing = [package for package in missing if package in (VENV, NPM)]
    if missing:
        _report(how_to_install(missing))
    return 1 if missing else 0


def _up(arguments: argparse.Namespace) -> int:
    servers = servers_of(arguments.instance)
    endpoints = servers.start()
    if arguments.worker:
        _worker(arguments, servers).start()
    exports = "\n".join(f"    export {name}='{value}'" for name, value in endpoints.variables().items())
    worker = ", a worker" if arguments.worker else ""
    print(_SUMMARY.format(worker=worker, exports=exports, directory=LOCAL / arguments.instance))
    return 0


def _down(arguments: argparse.Namespace) -> int:
    servers = servers_of(arguments.instance)
    _worker(arguments, servers).stop()
    servers.stop()
    return 0


def _status(arguments: argparse.Namespace) -> int:
    servers = servers_of(arguments.instance)
    print("\n".join([*servers.describe(), f"worker: {_worker(arguments, servers).describe()}"]))
    return 0 if servers.endpoints() else 1


def _urls(arguments: argparse.Namespace) -> int:
    endpoints = servers_of(arguments.instance).endpoints()
    if endpoints is None:
        _report(f"the servers of {arguments.instance} are not running: `make up` starts them")
        return 1
    print("\n".join(f"{name}={value}" for name, value in endpoints.variables().items()))
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    servers = servers_of(arguments.instance)
    _worker(arguments, servers).kill()
    servers.erase()
    shutil.rmtree(LOCAL / arguments.instance, ignore_errors=True)
    return 0


def _worker(arguments: argparse.Namespace, servers: Servers) -> WorkerProcess:
    return WorkerProcess(LOCAL / arguments.instance / "worker", servers)


def _report(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


COMMANDS: Final[dict[str, Callable[[argparse.Namespace], int]]] = {
    "install": _install,
    "up": _up,
    "down": _down,
    "status": _status,
    "urls": _urls,
    "erase": _erase,
}
HELP: Final = {
    "install": "install the server programs on this machine",
    "up": "start the instance's servers",
    "down": "stop them; their data stays",
    "status": "show which servers run and where; exit 1 unless both run",
    "urls": "print DATABASE_URL and AMQP_URL",
    "erase": "stop them and remove their data",
}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        command = commands.add_parser(name, help=HELP[name], description=HELP[name])
        if name == "install":
            command.add_argument(
                "--for-tests", action="store_true", help="also the programs that only tests need"
            )
        else:
            command.add_argument("--instance", default="dev", help="name under .local/ (default: dev)")
        if name == "up":
            command.add_argument("--worker", action="store_true", help="migrate, and run a worker as well")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
