"""The settings: read once, validated whole, frozen, safe to print. The only reader of the environment."""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from worker.errors import ConfigurationError
from worker.settings import rules
from worker.settings.files import DOTENV, read_dotenv, read_secrets
from worker.settings.placeholders import libpq_url

PREFIX: Final = "SESSION_STORE_"
SERVERS: Final = ("DATABASE_URL", "AMQP_URL")
SECRETS_DIRECTORIES: Final = ("SESSION_STORE_SECRETS_DIR", "CREDENTIALS_DIRECTORY")


DatabaseUrl = Annotated[SecretStr, AfterValidator(partial(rules.database_url, environment=os.environ))]
ReplicaUrl = Annotated[SecretStr, AfterValidator(partial(rules.replica_url, environment=os.environ))]
AmqpUrl = Annotated[SecretStr, AfterValidator(partial(rules.amqp_url, environment=os.environ))]
SigningKeys = Annotated[SecretStr, AfterValidator(rules.signing_keys)]


def _setting(default: Any, variable: str, description: str, **bounds: Any) -> Any:
    return Field(default, validation_alias=variable, description=description, **bounds)


class Settings(BaseSettings):
    """Everything that can be set; times in the unit their name says."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, validate_default=False
    )

    database_url: DatabaseUrl = _setting(
        SecretStr(""),
        "DATABASE_URL",
        "PostgreSQL; `${NAME}` is replaced from the environment; built from PGHOST and its kin when absent",
    )
    amqp_url: AmqpUrl = _setting(
        SecretStr(""),
        "AMQP_URL",
        "RabbitMQ, amqp:// or amqps://, a cluster's hosts with commas; `${NAME}` is replaced from the environment",
    )
    read_database_url: ReplicaUrl = _setting(
        SecretStr(""),
        "SESSION_STORE_READ_DATABASE_URL",
        "a streaming replica for queries, counts, statistics and reads that name a revision",
    )
    allow_plain_text: bool = _setting(False, "SESSION_STORE_ALLOW_PLAIN_TEXT", "true: no TLS to other hosts")
    prefix: str = _setting(
        "", "SESSION_STORE_PREFIX", "before every queue and exchange name", pattern=r"^[A-Za-z0-9_.-]{0,64}$"
    )
    pool_size: int = _setting(
        10, "SESSION_STORE_POOL_SIZE", "most connections to PostgreSQL, two for writing", ge=3, le=1000
    )
    pooler: Literal["none", "session", "transaction"] = _setting(
        "none", "SESSION_STORE_POOLER", "the pool mode of the PgBouncer that DATABASE_URL leads to"
    )
    citus: bool = _setting(False, "SESSION_STORE_CITUS", "true: the database is spread by sql/citus")
    connection_timeout_ms: int = _setting(
        5000, "SESSION_STORE_CONNECTION_TIMEOUT_MS", "to connect to a server", ge=100, le=600_000
    )
    statement_timeout_ms: int = _setting(
        30_000, "SESSION_STORE_STATEMENT_TIMEOUT_MS", "for one call to PostgreSQL", ge=100, le=600_000
    )
    startup_timeout_s: float = _setting(
        60, "SESSION_STORE_STARTUP_TIMEOUT_S", "to wait for the servers at the start", ge=0, le=86_400
    )
    patience_s: float = _setting(
        60, "SESSION_STORE_PATIENCE_S", "without a database before consuming stops", ge=1, le=600
    )
    batch_size: int = _setting(
        333,
        "SESSION_STORE_BATCH_SIZE",
        "most events in a transaction; best a third of the prefetch",
        ge=1,
        le=10_000,
    )
    prefetch: int = _setting(
        1000, "SESSION_STORE_PREFETCH", "unacknowledged events a queue, whatever their size", ge=1, le=65_535
    )
    body_limit: int = _setting(
        1_048_576, "SESSION_STORE_BODY_LIMIT", "largest event in bytes", ge=1024, le=134_217_728
    )
    rpc_concurrency: int = _setting(
        64, "SESSION_STORE_RPC_CONCURRENCY", "requests answered at a time", ge=1, le=10_000
    )
    changes_feed: bool = _setting(
        False, "SESSION_STORE_CHANGES_FEED", "true: what was committed is published to `sessions.changes`"
    )
    signatures: Literal["off", "warn", "enforce"] = _setting(
        "off", "SESSION_STORE_SIGNATURES", "messages signed wrongly: not looked at, counted, refused"
    )
    signing_keys: SigningKeys = _setting(
        SecretStr(""),
        "SESSION_STORE_SIGNING_KEYS",
        "`id:secret` pairs with blanks between them; the first signs, all verify",
    )
    signature_window_s: float = _setting(
        60,
        "SESSION_STORE_SIGNATURE_WINDOW_S",
        "most that a request's signature may be from now",
        ge=1,
        le=3600,
    )
    http_host: str = _setting(
        "127.0.0.1", "SESSION_STORE_HTTP_HOST", "where probes, metrics and status page listen"
    )
    http_port: int = _setting(
        9464, "SESSION_STORE_HTTP_PORT", "their port; 0 takes a free one and logs it", ge=0, le=65_535
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "SESSION_STORE_LOG_LEVEL", "least severe line to log"
    )
    log_format: Literal["auto", "json", "console"] = _setting(
        "auto", "SESSION_STORE_LOG_FORMAT", "auto: console on a terminal, JSON elsewhere"
    )
    otlp_url: SecretStr = _setting(
        SecretStr(""), "OTEL_EXPORTER_OTLP_ENDPOINT", "an OTLP/HTTP collector: traces are on"
    )
    otlp_traces_url: SecretStr = _setting(
        SecretStr(""), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "the same for traces alone, with its path"
    )
    traces_exporter: Literal["otlp", "none"] = _setting(
        "otlp", "OTEL_TRACES_EXPORTER", "none: traces are off"
    )
    notify_socket: str = _setting("", "NOTIFY_SOCKET", "where systemd listens; it sets this itself")
    failpoint: str = _setting(
        "",
        "SESSION_STORE_FAILPOINT",
        "for tests of crashes only: where the process kills itself",
        pattern=r"^((before-commit|mid-batch|after-commit|before-acknowledge)(:[1-9][0-9]{0,8})?)?$",
    )

    @field_validator("log_level", "log_format", "signatures", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what `load` hands in: it asks the sources itself, to know where each value came from."""
        return (init_settings,)


_DESCRIPTIONS: Final = {field.validation_alias: field.description for field in Settings.model_fields.values()}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force, where each value came from by variable, variables nobody reads, and the flags."""

    settings: Settings
    origins: dict[str, str]
    unknown: dict[str, str | None]
    flags: Mapping[str, object]


def load(flags: Mapping[str, object] | None = None, required: Sequence[str] = SERVERS) -> Loaded:
    """Return the settings from flags, environment, `.env`, secrets directory and defaults, in this order.

    Raises ConfigurationError naming every wrong variable, its value (unless secret) and the rule it breaks,
    and every `required` variable that nothing sets.
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, found in reversed(_sources(flags or {})):
        for variable, value in found.items():
            values[variable], origins[variable] = value, origin
    if "DATABASE_URL" not in values and (url := libpq_url(os.environ)):
        values["DATABASE_URL"], origins["DATABASE_URL"] = url, "PGHOST and its kin"
    if absent := [f"{name} is not set: {_DESCRIPTIONS[name]}" for name in required if name not in values]:
        raise ConfigurationError("\n".join(absent))
    return Loaded(_validate(values), origins, _unknown(os.environ), flags or {})


def variables() -> dict[str, tuple[str, bool]]:
    """Return the field and whether it is secret, by variable, in the order of declaration."""
    fields = Settings.model_fields
    return {str(f.validation_alias): (name, name.endswith(("_url", "_keys"))) for name, f in fields.items()}


def _sources(flags: Mapping[str, object]) -> list[tuple[str, dict[str, Any]]]:
    known = variables()
    given = {variable: flags[field] for variable, (field, _) in known.items() if flags.get(field) is not None}
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
