"""Free TCP ports on the loopback interface, below the range from which clients get theirs."""

import random
import socket

LOOPBACK = "127.0.0.1"
# Linux hands out 32768 and up to clients; a server's port from there could be taken while it restarts.
_FIRST, _LAST = 15_000, 32_000
_ATTEMPTS = 200


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Return whether a server accepts connections on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def choose_port(avoid: frozenset[int] = frozenset()) -> int:
    """Return a free port outside `avoid`; another process may still take it before it is used."""
    draw = random.SystemRandom()
    for _ in range(_ATTEMPTS):
        port = draw.randint(_FIRST, _LAST)
        if port not in avoid and is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST} after {_ATTEMPTS} draws")


def keep_or_choose(names: tuple[str, ...], kept: dict[str, int]) -> dict[str, int]:
    """Return a free port for each name: the kept one unless it is taken."""
    chosen: dict[str, int] = {}
    for name in names:
        port = kept.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            port = choose_port(frozenset(chosen.values()))
        chosen[name] = port
    return chosen
