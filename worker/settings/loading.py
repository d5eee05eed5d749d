"""Reads the settings from flags, the environment and files, and says where each value comes from."""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from worker.errors import ConfigurationError
from worker.settings.config import CREDENTIALS_DIRECTORY, SECRETS_DIRECTORIES, Flags, Settings, variables
from worker.settings.files import DOTENV, read_dotenv, read_secrets
from worker.settings.postgres.hosts import url_of_environment
from worker.settings.servers import check_servers

PREFIX: Final = "SESSION_STORE_"
SERVERS: Final = ("DATABASE_URL", "AMQP_URL")
LIBPQ_ORIGIN: Final = "PGHOST and related variables"
_DESCRIPTIONS: Final = {field.validation_alias: field.description for field in Settings.model_fields.values()}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, each value's origin by variable, unknown variables with a likely name, and the flags.

    `notices` name the ignored parameters of the servers' URLs.
    """

    settings: Settings
    origins: dict[str, str]
    unknown: dict[str, str | None]
    flags: Flags
    notices: tuple[str, ...] = ()

    @property
    def has_copied_logins(self) -> bool:
        """Whether systemd copied a server's URL for this process, which then never sees another."""
        copies = os.environ.get(CREDENTIALS_DIRECTORY)
        return copies is not None and any(self.origins.get(name) == copies for name in SERVERS)


def load(flags: Flags | None = None, required: Sequence[str] = SERVERS, *, with_files: bool = True) -> Loaded:
    """Return the settings from flags, environment, `.env`, secrets directory and defaults, in this order.

    Raises ConfigurationError that names every wrong variable, its value (unless secret) and the rule it breaks,
    every missing `required` variable, and every `required` server that cannot be reached with its parameters.
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, found in reversed(_sources(flags or {})):
        for variable, value in found.items():
            values[variable], origins[variable] = value, origin
    if "DATABASE_URL" not in values and (url := _url_of_libpq()):
        values["DATABASE_URL"], origins["DATABASE_URL"] = url, LIBPQ_ORIGIN
    if absent := [f"{name} is not set: {_DESCRIPTIONS[name]}" for name in required if name not in values]:
        raise ConfigurationError("\n".join(absent))
    settings = _validate(values)
    notices = check_servers(settings, required, with_files=with_files)
    return Loaded(settings, origins, _unknown(os.environ), flags or {}, notices)


def _url_of_libpq() -> str | None:
    try:
        return url_of_environment(os.environ)
    except ValueError as error:
        raise ConfigurationError(f"{LIBPQ_ORIGIN}: {error}") from None


def _sources(flags: Flags) -> list[tuple[str, dict[str, Any]]]:
    known = variables()
    given = {
        variable: value for variable, (field, _) in known.items() if (value := flags.get(field)) is not None
    }
    directory = next((os.environ[name] for name in SECRETS_DIRECTORIES if os.environ.get(name)), None)
    found = [
        ("flag", given),
        ("environment", EnvSettingsSource(Settings)()),
        (DOTENV, read_dotenv(Settings)),
    ]
    if directory:
        found.append((directory, read_secrets(Settings, directory)))
    return [
        (origin, {k.upper(): v for k, v in values.items() if k.upper() in known}) for origin, values in found
    ]


def _validate(values: Mapping[str, object]) -> Settings:
    try:
        settings = Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        raise ConfigurationError("\n".join(_explain(error, values))) from None
    if settings.signatures != "off" and not settings.signing_keys.get_secret_value().strip(" ,\t\r\n"):
        mode = f"SESSION_STORE_SIGNATURES={settings.signatures!r}"
        raise ConfigurationError(f"{mode}: needs SESSION_STORE_SIGNING_KEYS")
    return settings


def _explain(error: ValidationError, values: Mapping[str, object]) -> list[str]:
    known = variables()
    lines = []
    for detail in error.errors(include_url=False, include_input=False):
        variable = str(detail["loc"][0])
        rule = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        if known[variable][1]:
            lines.append(f"{variable} {rule}")
        else:
            lines.append(f"{variable}={values[variable]!r}: {rule}")
    return lines


def _unknown(environment: Mapping[str, str]) -> dict[str, str | None]:
    known = {name.removeprefix(PREFIX): name for name in (*variables(), *SECRETS_DIRECTORIES)}
    strange = [name for name in environment if name.startswith(PREFIX) and name not in known.values()]
    close = {name: difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1) for name in strange}
    return {name: known[found[0]] if found else None for name, found in close.items()}
