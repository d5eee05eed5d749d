"""Forks workers that have their modules already: `python -m tests.support.programs.fork_server DESCRIPTOR`.

Most of what a worker's start costs is the interpreter's start and its imports. Each message on the socket DESCRIPTOR
asks for one worker: the command's words and the environment as JSON, with two descriptors, for its standard error and
for a pipe to which its process id and later its exit status are written. The end of the socket ends this program.
"""

import gc
import os
import signal
import socket
import sys
from importlib import import_module
from typing import Final

import orjson

PRELOADED: Final = ("session_store", "worker.cli.worker", "uvloop")
MAX_MESSAGE: Final = 2**20
MAX_DESCRIPTORS: Final = 2**16
LEFT_BY_EXEC: Final = 3
"""The standard streams are all that a program has open when it starts."""


def serve(control: socket.socket) -> list[str]:
    """Fork for each message; returns in the workers alone: the words of the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE, 2)
        if not message:
            sys.exit()
        if os.fork() == 0:
            stderr, status = descriptors
            _watch(status)
            return _begin(message, stderr)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(status: int) -> None:
    """Fork the worker, in which this returns; the process that was stays and tells how the worker ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    worker = os.fork()
    if worker == 0:
        return
    os.closerange(0, status)
    os.closerange(status + 1, MAX_DESCRIPTORS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(status, b"%d\n" % worker)
    _, ended = os.waitpid(worker, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _begin(message: bytes, stderr: int) -> list[str]:
    """Leave the process as `exec` would: streams, environment and directory of its own, nothing else open."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor, source in enumerate((nothing, nothing, stderr)):
        os.dup2(source, descriptor)
    os.closerange(LEFT_BY_EXEC, MAX_DESCRIPTORS)
    sys.stdin, sys.stdout, sys.stderr = (
        open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the life of the process
        for descriptor, mode in enumerate("rww")
    )
    asked = orjson.loads(message)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir("/")
    return list(asked["words"])


if __name__ == "__main__":
    program, *_ = [import_module(name) for name in PRELOADED]
    gc.collect()
    gc.freeze()
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(program.main())
