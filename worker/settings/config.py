"""The settings: validated whole, frozen, safe to print. A new setting is a field here, and a flag if it has one."""

import os
from functools import partial
from typing import Annotated, Any, Final, Literal, TypedDict

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from contracts.limits import BODY_LIMIT
from worker.settings import rules

CREDENTIALS_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
SECRETS_DIRECTORIES: Final = ("SESSION_STORE_SECRETS_DIR", CREDENTIALS_DIRECTORY)


DatabaseUrl = Annotated[SecretStr, AfterValidator(partial(rules.check_database_url, environment=os.environ))]
ReplicaUrl = Annotated[SecretStr, AfterValidator(partial(rules.check_replica_url, environment=os.environ))]
AmqpUrl = Annotated[SecretStr, AfterValidator(partial(rules.check_amqp_url, environment=os.environ))]
SigningKeys = Annotated[SecretStr, AfterValidator(rules.check_signing_keys)]


def _setting(default: Any, variable: str, description: str, **bounds: Any) -> Any:
    return Field(default, validation_alias=variable, description=description, **bounds)


class Settings(BaseSettings):
    """Everything that can be set; the name of a time ends with its unit."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, validate_default=False
    )

    database_url: DatabaseUrl = _setting(
        SecretStr(""),
        "DATABASE_URL",
        "PostgreSQL; `${NAME}` is replaced from the environment; built from PGHOST and related variables when absent",
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
        "",
        "SESSION_STORE_PREFIX",
        "prefix of every queue and exchange name",
        pattern=r"^[A-Za-z0-9_.-]{0,64}$",
    )
    pool_size: int = _setting(
        10, "SESSION_STORE_POOL_SIZE", "most connections to PostgreSQL, two for writing", ge=3, le=1000
    )
    pooler: Literal["none", "session", "transaction"] = _setting(
        "none", "SESSION_STORE_POOLER", "pool mode of the PgBouncer that DATABASE_URL names"
    )
    citus: bool = _setting(False, "SESSION_STORE_CITUS", "true: the database is distributed by sql/citus")
    connection_timeout_ms: int = _setting(
        5000, "SESSION_STORE_CONNECTION_TIMEOUT_MS", "time to connect to a server", ge=100, le=600_000
    )
    statement_timeout_ms: int = _setting(
        30_000, "SESSION_STORE_STATEMENT_TIMEOUT_MS", "time for one call to PostgreSQL", ge=100, le=600_000
    )
    startup_timeout_s: float = _setting(
        60, "SESSION_STORE_STARTUP_TIMEOUT_S", "seconds to wait for the servers at the start", ge=0, le=86_400
    )
    patience_s: float = _setting(
        60, "SESSION_STORE_PATIENCE_S", "seconds without a database before consuming stops", ge=1, le=600
    )
    batch_size: int = _setting(
        333,
        "SESSION_STORE_BATCH_SIZE",
        "most events in a transaction; best a third of the prefetch",
        ge=1,
        le=10_000,
    )
    prefetch: int = _setting(
        1000,
        "SESSION_STORE_PREFETCH",
        "most unacknowledged events of a queue; fewer where they are larger than 24 KiB",
        ge=1,
        le=65_535,
    )
    body_limit: int = _setting(
        BODY_LIMIT, "SESSION_STORE_BODY_LIMIT", "largest event in bytes", ge=1024, le=134_217_728
    )
    revision_lead_s: float = _setting(
        86_400,
        "SESSION_STORE_REVISION_LEAD_S",
        "largest lead of an event's revision over the clock, as microseconds since the epoch; 0: any revision",
        ge=0,
        le=3_155_760_000,
    )
    rpc_concurrency: int = _setting(
        64, "SESSION_STORE_RPC_CONCURRENCY", "requests answered at a time", ge=1, le=10_000
    )
    changes_feed: bool = _setting(
        False, "SESSION_STORE_CHANGES_FEED", "true: committed changes are published to `sessions.changes`"
    )
    signatures: Literal["off", "warn", "enforce"] = _setting(
        "off", "SESSION_STORE_SIGNATURES", "messages with a bad signature: accepted, counted, refused"
    )
    signing_keys: SigningKeys = _setting(
        SecretStr(""),
        "SESSION_STORE_SIGNING_KEYS",
        "`id:secret` pairs, separated by blanks; the first signs, all verify",
    )
    signature_window_s: float = _setting(
        60,
        "SESSION_STORE_SIGNATURE_WINDOW_S",
        "largest difference of a request's signature time from now",
        ge=1,
        le=3600,
    )
    http_host: str = _setting(
        "127.0.0.1",
        "SESSION_STORE_HTTP_HOST",
        "address of probes, metrics and status page; empty for every address of IPv4 and IPv6",
    )
    http_port: int = _setting(
        9464, "SESSION_STORE_HTTP_PORT", "their port; 0 takes a free one and logs it", ge=0, le=65_535
    )
    replicas: str = _setting(
        "",
        "SESSION_STORE_REPLICAS",
        "addresses that `top` shows without `--url`, separated by blanks; default: the address of this worker",
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
    notify_socket: str = _setting("", "NOTIFY_SOCKET", "systemd's socket; systemd sets this")
    failpoint: str = _setting(
        "",
        "SESSION_STORE_FAILPOINT",
        "only for tests of crashes: where the process kills itself",
        pattern=r"^((before-commit|mid-batch|after-commit|before-acknowledge)(:[1-9][0-9]{0,8})?)?$",
    )

    @property
    def connection_timeout_s(self) -> float:
        """`connection_timeout_ms` in seconds."""
        return self.connection_timeout_ms / 1000

    @property
    def statement_timeout_s(self) -> float:
        """`statement_timeout_ms` in seconds."""
        return self.statement_timeout_ms / 1000

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
        """Take only the values that `load` passes: it reads the sources itself, to know the origin of each value."""
        return (init_settings,)


class Flags(TypedDict, total=False):
    """The settings that commands take as flags; None where a flag is absent."""

    database_url: str | None
    amqp_url: str | None
    prefix: str | None
    pool_size: int | None
    batch_size: int | None
    prefetch: int | None
    log_level: str | None
    log_format: str | None


def variables() -> dict[str, tuple[str, bool]]:
    """Return the field and whether it is secret, by variable, in the order of declaration."""
    fields = Settings.model_fields
    return {str(f.validation_alias): (name, name.endswith(("_url", "_keys"))) for name, f in fields.items()}
