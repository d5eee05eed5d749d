"""Forks programs with imported modules: `python -m tests.support.programs.fork_server DESCRIPTOR`.

A command, or the start of a worker, spends most of its time on the interpreter's start and on imports.
Each message on the socket DESCRIPTOR asks for one process of `session-store`. It has the words, the
environment and the directory as JSON, and four descriptors: the standard streams and a pipe. The process id
and later the exit status are written to the pipe. The end of the socket ends this program.
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
    """Fork for each message; returns only in the requested processes, with the words of the command."""
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
    """Fork the requested process, and return in it alone; the other one waits and reports its exit status."""
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
    """Set the process up as `exec` would: streams, environment and directory, no other open descriptor."""
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
