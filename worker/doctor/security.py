"""Whether the settings give away what they should keep."""

import os
import stat
from pathlib import Path
from typing import Final

from worker.finding import Finding, ok, skipped, warning, wrong
from worker.settings.config import Loaded, variables

EVERYWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not listened on
FILE: Final = "put the URL into a file of its name, and the directory into SESSION_STORE_SECRETS_DIR"
DOTENV: Final = ".env"


def examine_secrets(loaded: Loaded) -> Finding:
    """Find secrets on a command line or in the environment, and files of secrets that others may read or change."""
    secret = [name for name, (_, is_secret) in variables().items() if is_secret and name in loaded.origins]
    by_origin = {name: loaded.origins[name] for name in secret}
    if shown := [name for name, origin in by_origin.items() if origin == "flag"]:
        return wrong(f"{', '.join(shown)} is given by a flag, which the list of processes shows", FILE)
    places = {Path(DOTENV) if origin == DOTENV else Path(origin) / name for name, origin in by_origin.items()}
    files = {path for path in places if path.is_file()} | {path.parent for path in places if path.is_file()}
    if loose := sorted(str(path) for path in files if path != Path() and _is_loose(path)):
        return wrong(f"others may read or change {', '.join(loose)}", f"chmod go-w,o-rwx {' '.join(loose)}")
    if seen := [name for name, origin in by_origin.items() if not _is_in_file(name, origin)]:
        said = f"{', '.join(seen)} is in the environment, which its user and root see in /proc"
        return warning(said, FILE)
    return ok("every secret is in a file of its own") if secret else skipped("no secret is set")


def examine_exposure(loaded: Loaded) -> Finding:
    """Find settings that open what is closed otherwise."""
    settings = loaded.settings
    if settings.failpoint:
        return wrong(
            "SESSION_STORE_FAILPOINT is set: the worker kills itself", "unset SESSION_STORE_FAILPOINT"
        )
    if settings.allow_plain_text:
        return warning(
            "SESSION_STORE_ALLOW_PLAIN_TEXT is set: passwords and sessions may cross the network as they are",
            "unset SESSION_STORE_ALLOW_PLAIN_TEXT, and ask for TLS in both URLs",
        )
    if settings.http_host in EVERYWHERE:
        return warning(
            "the status page, which asks for no login, listens on every address",
            "SESSION_STORE_HTTP_HOST=127.0.0.1, or a network policy that lets Prometheus alone in",
        )
    return ok("plain text is refused, and the status page is not everybody's")


def _is_in_file(name: str, origin: str) -> bool:
    return origin == DOTENV or (Path(origin) / name).is_file()


def _is_loose(path: Path) -> bool:
    """Whether others may read or change it, or its group change it.

    A directory that is mounted read-only, as Kubernetes shows a secret, is nobody's to change, whatever its mode, and
    its files say who reads them.
    """
    if path.is_dir() and os.statvfs(path).f_flag & os.ST_RDONLY:
        return False
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXO | stat.S_IWGRP))
