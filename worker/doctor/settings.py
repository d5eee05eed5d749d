"""Whether the settings are right, protect their secrets and open nothing that should be closed."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from contracts.signing import Keyring
from worker.doctor.finding import Finding, error, ok, skipped, warning
from worker.settings.config import Settings, variables
from worker.settings.endpoint import TLS_SETTINGS, Destination
from worker.settings.files import DOTENV
from worker.settings.loading import Loaded

ALL_ADDRESSES: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not listened on
USE_FILES: Final = (
    "put each secret into a file of its name, and set SESSION_STORE_SECRETS_DIR to the directory"
)
MIN_VARIETY: Final = 8
"""Different characters of a secret: 32 random hex digits have fewer at most once in ten million times."""
SIGNING_GUIDE: Final = "docs/secure.md, *Signed messages*, says how to reach enforce without a stop"


def check_variables(loaded: Loaded) -> Finding:
    """Find unknown variables that begin with our prefix."""
    if not loaded.unknown:
        return ok(f"{len(loaded.origins)} set, all are known")
    close = [f"{name} is meant by {unknown}" for unknown, name in loaded.unknown.items() if name]
    fix = f"unset {' '.join(loaded.unknown)}" + (f"; perhaps {', '.join(close)}" if close else "")
    return warning(f"not a setting: {', '.join(loaded.unknown)}", fix)


def check_transport(to: Destination, variable: str, notices: Sequence[str] = ()) -> Finding:
    """Find a server on another host that gets passwords without TLS, and parameters that are ignored."""
    if to.plaintext_hosts:
        return warning(f"leads to {', '.join(to.plaintext_hosts)} without TLS", TLS_SETTINGS[variable])
    if notices:
        return warning("; ".join(notices), f"leave that out of {variable}")
    return ok("asks for TLS" if to.is_encrypted else "leads to this host only")


def not_set(variable: str, example: str) -> Finding:
    """Return the finding of a server that no setting names."""
    return error(f"{variable} is not set", f"export {variable}={example}")


def check_signatures(settings: Settings) -> Finding:
    """Find messages that are accepted without a valid signature, and secrets that are easy to guess."""
    keys = Keyring.parse(settings.signing_keys.get_secret_value())
    weak = [key_id for key_id, variety in keys.varieties.items() if variety < MIN_VARIETY]
    if weak:
        return warning(f"easy to guess: the secret of {', '.join(weak)}", "openssl rand -hex 32")
    match settings.signatures:
        case "off":
            return warning("off: every message from a user that may publish is accepted", SIGNING_GUIDE)
        case "warn":
            return warning("warn: messages with a bad signature are counted and accepted", SIGNING_GUIDE)
    return ok(f"enforced; signs with {keys.ids[0]}, accepts {', '.join(keys.ids)}")


def check_secrets(loaded: Loaded) -> Finding:
    """Find secrets on a command line or in the environment, and files of secrets that others may read or change."""
    secret = [name for name, (_, is_secret) in variables().items() if is_secret and name in loaded.origins]
    by_origin = {name: loaded.origins[name] for name in secret}
    if flags := [name for name, origin in by_origin.items() if origin == "flag"]:
        return error(f"{', '.join(flags)} is given by a flag, which the list of processes shows", USE_FILES)
    places = {Path(DOTENV) if origin == DOTENV else Path(origin) / name for name, origin in by_origin.items()}
    files = {path for path in places if path.is_file()} | {path.parent for path in places if path.is_file()}
    if loose := sorted(str(path) for path in files if path != Path() and _is_loose(path)):
        return error(f"others may read or change {', '.join(loose)}", f"chmod go-w,o-rwx {' '.join(loose)}")
    if exported := [name for name, origin in by_origin.items() if not _is_in_file(name, origin)]:
        message = f"{', '.join(exported)} is in the environment, which its user and root can read in /proc"
        return warning(message, USE_FILES)
    return ok("every secret is in a file of its own") if secret else skipped("no secret is set")


def check_exposure(loaded: Loaded) -> Finding:
    """Find settings that open an access which is closed by default."""
    settings = loaded.settings
    if settings.failpoint:
        return error(
            "SESSION_STORE_FAILPOINT is set: the worker kills itself", "unset SESSION_STORE_FAILPOINT"
        )
    if settings.allow_plain_text:
        return warning(
            "SESSION_STORE_ALLOW_PLAIN_TEXT is set: passwords and sessions may cross the network unencrypted",
            "unset SESSION_STORE_ALLOW_PLAIN_TEXT, and ask for TLS in both URLs",
        )
    if settings.http_host in ALL_ADDRESSES:
        return warning(
            "the status page, which needs no login, listens on every address",
            "SESSION_STORE_HTTP_HOST=127.0.0.1, or a network policy that admits Prometheus only",
        )
    return ok("plain text is refused, and the status page does not listen on every address")


def _is_in_file(name: str, origin: str) -> bool:
    return origin == DOTENV or (Path(origin) / name).is_file()


def _is_loose(path: Path) -> bool:
    """Whether others may read or change it, or its group may change it.

    Kubernetes mounts secrets read-only: such a directory cannot be changed, whatever its mode, and the modes of its
    files decide who may read them.
    """
    if path.is_dir() and os.statvfs(path).f_flag & os.ST_RDONLY:
        return False
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXO | stat.S_IWGRP))
