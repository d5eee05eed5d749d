"""Forks programs that have their modules already: `python -m tests.support.programs.fork_server DESCRIPTOR`.

Most of what a command or a worker's start costs is the interpreter's start and its imports. Each message on the
socket DESCRIPTOR asks for one process of `session-store`: words, environment and directory as JSON, with four
descriptors: the standard streams, and a pipe to which its process id and later its exit status are written.
The end of the socket ends this program.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import orjson

PRELOADED: Final = ("session_store", "worker.cli.worker", "uvloop")
MAX_MESSAGE: Final = 2**20
MAX_DESCRIPTORS: Final = 2**16
STREAMS: Final = 3


def serve(control: socket.socket) -> list[str]:
    """Fork for each message; returns in the processes that were asked for alone: the words of the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the watchers
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, MAX_MESSAGE, STREAMS + 1)
        if not message:
            sys.exit()
        if os.fork() == 0:
            *streams, status = descriptors
            _watch(status)
            return _begin(message, streams)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(status: int) -> None:
    """Fork the process that was asked for, in which this returns; the other one stays and tells how it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked = os.fork()
    if asked == 0:
        return
    os.closerange(0, status)
    os.closerange(status + 1, MAX_DESCRIPTORS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(status, b"%d\n" % asked)
    _, ended = os.waitpid(asked, 0)
    os.write(status, b"%d\n" % os.waitstatus_to_exitcode(ended))
    os._exit(0)


def _begin(message: bytes, streams: Sequence[int]) -> list[str]:
    """Leave the process as `exec` would: streams, environment and directory of its own, nothing else open."""
    for descriptor, source in enumerate(streams):
        os.dup2(source, descriptor)
    os.closerange(STREAMS, MAX_DESCRIPTORS)
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the process's life
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    asked = orjson.loads(message)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["directory"])
    return list(asked["words"])


if __name__ == "__main__":
    program, *_ = [import_module(name) for name in PRELOADED]
    from worker.cli import COMMANDS

    for place in COMMANDS.values():
        import_module(place.module)
    globals()["__package__"] = None  # typer would name the program by it
    gc.collect()
    gc.freeze()
    sys.argv = serve(socket.socket(fileno=int(sys.argv[1])))
    sys.exit(program.main())
