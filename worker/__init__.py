"""The worker of the session store."""


def release() -> str:
    """Return the installed release; its reader takes 40 ms to import, and most commands do not need it."""
    from importlib.metadata import version

    return version("session-store")
