"""libpq's files of connection parameters and of passwords. A ValueError names the file and nothing of its content."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from configparser import Error, RawConfigParser
from pathlib import Path
from typing import Final

SERVICE_FILE: Final = ".pg_service.conf"
PASSWORD_FILE: Final = ".pgpass"  # noqa: S105 - its name
ANY: Final = "*"
LOCAL: Final = "localhost"
FIELDS: Final = 5
ABSENT: Final = (FileNotFoundError, NotADirectoryError)


class _Services(RawConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # libpq tells upper case from lower case


def read_service(service: str, places: Sequence[Path]) -> tuple[Mapping[str, str], Path]:
    """Return the parameters of a service from the first file that has it, and that file."""
    for path in places:
        text = _read(path, ABSENT)
        parser = _Services(delimiters="=", comment_prefixes="#", strict=False, default_section="")
        try:
            parser.read_string(text or "")
        except Error:
            raise ValueError(f"cannot be completed: {path} is not a file of services") from None
        if parser.has_section(service):
            return dict(parser[service]), path
    named = " or ".join(map(str, places)) or "any file: there is no home directory"
    raise ValueError(f"asks for the service {service!r}, which is not in {named}")


def read_password(
    path: Path, *, is_named: bool, host: str, port: int, database: str, user: str
) -> str | None:
    """Return the password of the first line that matches, None where none does.

    A file that others may read holds no secret: it is refused where `is_named`, and passed over otherwise, as libpq
    does. Source: https://www.postgresql.org/docs/18/libpq-pgpass.html.
    """
    if (text := _read(path, () if is_named else (OSError,))) is None:
        return None
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
        if is_named:
            raise ValueError(f"takes the password from {path}, which others may read: chmod 600 {path}")
        return None
    names = (host, LOCAL) if host.startswith("/") else (host,)
    for line in text.splitlines():
        if line.startswith("#") or len(found := list(_fields(line))) < FIELDS:
            continue
        wanted = ((found[0], names), (found[1], (str(port),)), (found[2], (database,)), (found[3], (user,)))
        if all(pattern == ANY or pattern in values for pattern, values in wanted):
            return found[4]
    return None


def _read(path: Path, passed_over: tuple[type[OSError], ...]) -> str | None:
    """Return a file's text, None for an error that is passed over."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"cannot be completed: {path} is not UTF-8 text") from None
    except passed_over:
        return None
    except OSError as error:
        raise ValueError(f"cannot be completed: {path}: {error.strerror}") from None


def _fields(line: str) -> Iterator[str]:
    """Yield the fields of a line, the last with the rest of the line; a backslash escapes the next character."""
    text, count, characters = "", 1, iter(line)
    for character in characters:
        if character == "\\":
            text += next(characters, "\\")
        elif character == ":" and count < FIELDS:
            yield text
            text, count = "", count + 1
        else:
            text += character
    yield text
