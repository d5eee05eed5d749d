"""What the text of a secret setting must be; a rule's ValueError never repeats the text."""

from collections.abc import Mapping

from pydantic import SecretStr
from yarl import URL

from contracts.hosts import split_hosts
from contracts.signing import Keyring
from worker.settings.placeholders import expand


def database_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return PostgreSQL's URL, its placeholders replaced; raises ValueError."""
    expanded = expand(value.get_secret_value(), environment)
    if expanded.partition("://")[0] not in ("postgresql", "postgres"):  # several hosts are no URL to others
        raise ValueError("must begin with postgresql://")
    return SecretStr(expanded)


def replica_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the same of a replica, or nothing: none is a choice."""
    return database_url(value, environment=environment) if value.get_secret_value() else value


def amqp_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return RabbitMQ's URL, its placeholders replaced; raises ValueError."""
    expanded = expand(value.get_secret_value(), environment)
    for address in map(URL, split_hosts(expanded)):
        if address.scheme not in ("amqp", "amqps") or not address.host:
            raise ValueError("must begin with amqp:// or amqps:// and name a host")
    return SecretStr(expanded)


def signing_keys(value: SecretStr) -> SecretStr:
    """Return keys that can be parsed; raises ValueError."""
    Keyring.parse(value.get_secret_value())
    return value
