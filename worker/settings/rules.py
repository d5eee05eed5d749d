"""The rules for secret settings. The text of a ValueError never repeats the setting."""

from collections.abc import Mapping

from pydantic import SecretStr
from yarl import URL

from contracts.hosts import split_hosts
from contracts.signing import Keyring
from worker.settings.urls import expand_placeholders, move_hosts_to_query


def check_database_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the URL of PostgreSQL with its placeholders replaced; raises ValueError."""
    expanded = expand_placeholders(value.get_secret_value(), environment)
    scheme = expanded.partition("://")[0]  # yarl rejects a URL with several hosts
    if scheme not in ("postgresql", "postgres"):
        raise ValueError("must begin with postgresql://")
    return SecretStr(move_hosts_to_query(expanded))


def check_replica_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the URL of a replica, or the empty text: a replica is optional."""
    return check_database_url(value, environment=environment) if value.get_secret_value() else value


def check_amqp_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the URL of RabbitMQ with its placeholders replaced; raises ValueError."""
    expanded = expand_placeholders(value.get_secret_value(), environment)
    for address in map(URL, split_hosts(expanded)):
        if address.scheme not in ("amqp", "amqps") or not address.host:
            raise ValueError("must begin with amqp:// or amqps:// and name a host")
    return SecretStr(expanded)


def check_signing_keys(value: SecretStr) -> SecretStr:
    """Return the keys if they can be parsed; raises ValueError."""
    Keyring.parse(value.get_secret_value())
    return value
