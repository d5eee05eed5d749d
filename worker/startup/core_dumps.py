"""What a crash leaves behind."""

import resource
from typing import Final

NONE: Final = (0, 0)


def forbid_core_dumps() -> None:
    """Leave this process without a core file: it would hold the logins and the sessions in hand.

    A program that the kernel hands cores to (core_pattern with a pipe) sees this limit and may decide otherwise.
    """
    if resource.getrlimit(resource.RLIMIT_CORE) != NONE:  # a sandbox that has set it may not let it be set
        resource.setrlimit(resource.RLIMIT_CORE, NONE)
