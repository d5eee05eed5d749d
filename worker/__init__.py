"""The worker of the session store."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("session-store")
