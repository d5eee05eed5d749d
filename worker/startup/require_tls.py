"""Nothing goes to another host in plain text unless somebody has said so."""

from worker.errors import ConfigurationError
from worker.settings.config import Settings
from worker.settings.endpoint import TLS_SETTINGS, read_amqp_url, read_database_url

ALLOW = "SESSION_STORE_ALLOW_PLAIN_TEXT"


def refuse_plain_text(settings: Settings) -> None:
    """Raise ConfigurationError for each server on another host that is not asked for TLS, unless that is allowed."""
    if settings.allow_plain_text:
        return
    servers = {
        "DATABASE_URL": read_database_url(settings.database_url.get_secret_value()),
        "AMQP_URL": read_amqp_url(settings.amqp_url.get_secret_value()),
    }
    if replica := settings.read_database_url.get_secret_value():
        servers["SESSION_STORE_READ_DATABASE_URL"] = read_database_url(replica)
    exposed = [
        f"{name} leads to {', '.join(to.plaintext_hosts)} in plain text; ask for TLS: {TLS_SETTINGS[name]}; "
        f"or set {ALLOW}=true where the network is trusted"
        for name, to in servers.items()
        if to.plaintext_hosts
    ]
    if exposed:
        raise ConfigurationError("\n".join(exposed))
