"""`roles`: creates the database's logins and gives them rights and passwords."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import typer

from sql.logins import LOGINS
from worker.cli.console import print_json, run_to_end, warn
from worker.cli.loading import load
from worker.cli.options import AsJson, DatabaseUrl
from worker.errors import ConfigurationError
from worker.store.roles import give_roles

STANDARD_INPUT: Final = Path("-")


def make_roles(
    database_url: DatabaseUrl = None,
    passwords: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="A directory with a file for each login, of the same name, that holds its password; - reads a login "
            "and its password a line from standard input.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create the database's logins and give them their rights, as a superuser; before and after each migration."""
    settings = load({"database_url": database_url}, required=["DATABASE_URL"]).settings
    words = read_passwords(passwords) if passwords else {}
    given = run_to_end(give_roles(settings.database_url.get_secret_value(), words))
    if as_json:
        print_json({"passwords": given.with_password, "rights": given.with_rights})
        return
    for name in given.with_password:
        print(f"password set: {name}")
    if given.with_rights:
        print("rights given")
    else:
        warn(
            "the schema does not exist: run session-store migrate as session_store_migrator, then this again"
        )


def read_passwords(directory: Path) -> dict[str, str]:
    """Return the passwords by login, from files or from standard input; raises ConfigurationError that says where."""
    if directory == STANDARD_INPUT:
        return _checked(_from_lines(sys.stdin.read().splitlines()), "standard input, ")
    try:
        files = [
            path for path in sorted(directory.iterdir()) if path.is_file() and not path.name.startswith(".")
        ]
        found = {path.name: path.read_text(encoding="utf-8").rstrip("\r\n") for path in files}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigurationError(f"cannot read the passwords in {directory}: {reason}") from error
    return _checked(found, f"{directory}/")


def _from_lines(lines: list[str]) -> dict[str, str]:
    return {name: password for name, _, password in (line.partition(" ") for line in lines if line)}


def _checked(found: Mapping[str, str], place: str) -> dict[str, str]:
    for name, password in found.items():
        if name not in LOGINS:
            raise ConfigurationError(
                f"{place}{name} is not named as a login; the logins are {', '.join(LOGINS)}"
            )
        if not (password and password.isascii() and password.isprintable()):
            raise ConfigurationError(f"{place}{name} must hold a password of ASCII characters, on one line")
    if not found:
        raise ConfigurationError(f"{place.rstrip('/, ')} has no password for any of {', '.join(LOGINS)}")
    return dict(found)
