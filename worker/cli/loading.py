"""Reads the settings for a command, and warns of ignored parameters in the URLs of its servers."""

from collections.abc import Sequence

from worker.cli.console import warn
from worker.settings import loading
from worker.settings.config import Flags
from worker.settings.loading import SERVERS, Loaded


def load(flags: Flags, required: Sequence[str] = SERVERS) -> Loaded:
    """Return the settings, as `worker.settings.loading.load` does, for a command that uses the `required` servers."""
    loaded = loading.load(flags, required)
    for notice in loaded.notices:
        warn(notice)
    return loaded
