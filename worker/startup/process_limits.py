"""Limits of the process: no core dumps, and enough files, connections among them."""

import resource
from typing import Final

from worker.errors import ConfigurationError
from worker.settings.config import Settings

NO_CORE: Final = (0, 0)
BESIDE_POOLS: Final = 64
"""Modules, log, event loop, the connections to the broker old and new, scrapes and probes."""


def forbid_core_dumps() -> None:
    """Leave this process without a core file: it would hold the logins and the sessions in hand.

    A program that the kernel hands cores to (core_pattern with a pipe) sees this limit and may decide otherwise.
    """
    if resource.getrlimit(resource.RLIMIT_CORE) != NO_CORE:  # a sandbox that has set it may not let it be set
        resource.setrlimit(resource.RLIMIT_CORE, NO_CORE)


def allow_open_files(settings: Settings) -> None:
    """Let this process open as many files as its settings require; raises ConfigurationError where it may not.

    A worker short of files fails where it next connects, under load and not at its start.
    """
    needed = needed_files(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigurationError(
            f"this process may have {hard} files open and needs {needed}: SESSION_STORE_POOL_SIZE is "
            f"{settings.pool_size}, and {BESIDE_POOLS} for all else; raise the limit (ulimit -n {needed}, or "
            f"LimitNOFILE={needed} in the unit), or make the pool smaller"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def needed_files(settings: Settings) -> int:
    """Return the most files that a worker with these settings has open at a time."""
    pools = 2 if settings.read_database_url.get_secret_value() else 1
    return settings.pool_size * pools + BESIDE_POOLS
