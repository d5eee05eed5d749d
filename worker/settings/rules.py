"""The rules for secret settings. The text of a ValueError never repeats the setting."""

from collections.abc import Mapping

from pydantic import SecretStr

from contracts.signing import Keyring
from worker.settings.broker_address import read_broker_address
from worker.settings.postgres.sources import read_url
from worker.settings.urls import expand_placeholders


def check_database_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the URL of PostgreSQL with its placeholders replaced; raises ValueError."""
    expanded = expand_placeholders(value.get_secret_value(), environment)
    read_url(expanded)
    return SecretStr(expanded)


def check_replica_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the URL of a replica, or the empty text: a replica is optional."""
    return check_database_url(value, environment=environment) if value.get_secret_value() else value


def check_amqp_url(value: SecretStr, *, environment: Mapping[str, str]) -> SecretStr:
    """Return the URL of RabbitMQ with its placeholders replaced; raises ValueError."""
    expanded = expand_placeholders(value.get_secret_value(), environment)
    read_broker_address(expanded)
    return SecretStr(expanded)


def check_signing_keys(value: SecretStr) -> SecretStr:
    """Return the keys if they can be parsed; raises ValueError."""
    Keyring.parse(value.get_secret_value())
    return value
