"""Checks whether servers can be reached by the settings: parameters, files, and no plain text.

It judges the value that the driver gets, from any origin: the URL, a variable, a file.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from worker.errors import ConfigurationError
from worker.settings.broker_address import BrokerAddress, read_broker_address
from worker.settings.config import Settings
from worker.settings.endpoint import TLS_SETTINGS, Destination
from worker.settings.postgres.address import DatabaseAddress, read_database_address

ALLOW: Final = "SESSION_STORE_ALLOW_PLAIN_TEXT"
DATABASE: Final = "DATABASE_URL"
REPLICA: Final = "SESSION_STORE_READ_DATABASE_URL"
BROKER: Final = "AMQP_URL"


def check_servers(settings: Settings, wanted: Sequence[str], *, with_files: bool = True) -> tuple[str, ...]:
    """Return a sentence for each parameter of the wanted servers that is ignored.

    Files of TLS are loaded only `with_files`, because authorities take tens of milliseconds. Raises
    ConfigurationError with a line for each server whose parameters or files cannot be used, or that would get
    passwords and sessions in plain text on another host although nobody has allowed it.
    """
    notices: list[str] = []
    faults: list[str] = []
    for variable, url in _urls(settings, wanted):
        try:
            address = address_of(variable, url)
            if with_files:
                (address.context if isinstance(address, BrokerAddress) else address.tls.context)()
        except ValueError as error:
            faults.append(f"{variable} {error}")
            continue
        notices += [f"{variable}: {notice}" for notice in address.notices]
        if not settings.allow_plain_text:
            faults += exposures(variable, address.destination)
    if faults:
        raise ConfigurationError("\n".join(faults))
    return tuple(notices)


def address_of(variable: str, url: str) -> DatabaseAddress | BrokerAddress:
    """Return the address of the server that a variable names; raises ValueError without the URL's text."""
    return read_broker_address(url) if variable == BROKER else read_database_address(url)


def exposures(variable: str, to: Destination) -> list[str]:
    """Return a sentence where passwords and sessions would leave this host in plain text."""
    if not to.plaintext_hosts:
        return []
    return [
        f"{variable} leads to {', '.join(to.plaintext_hosts)} in plain text; ask for TLS: {TLS_SETTINGS[variable]}; "
        f"or set {ALLOW}=true where the network is trusted"
    ]


def _urls(settings: Settings, wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    if DATABASE in wanted:
        yield DATABASE, settings.database_url.get_secret_value()
    if BROKER in wanted:
        yield BROKER, settings.amqp_url.get_secret_value()
    if DATABASE in wanted and BROKER in wanted and (replica := settings.read_database_url.get_secret_value()):
        yield REPLICA, replica
