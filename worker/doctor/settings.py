"""Whether the settings are as they should be."""

from worker.config import Loaded
from worker.destination import Destination
from worker.finding import Finding, ok, warning, wrong


def examine_variables(loaded: Loaded) -> Finding:
    """Find variables that look like ours and that nobody reads."""
    if not loaded.unknown:
        return ok(f"{len(loaded.origins)} set, all are read")
    names = ", ".join(loaded.unknown)
    meant = [f"{name} is meant by {strange}" for strange, name in loaded.unknown.items() if name]
    mend = f"unset {' '.join(loaded.unknown)}" + (f"; perhaps {', '.join(meant)}" if meant else "")
    return warning(f"nobody reads {names}", mend)


def examine_transport(to: Destination, variable: str) -> Finding:
    """Find a password and sessions on their way to another host in plain text."""
    away = [endpoint.host for endpoint in to.endpoints if not endpoint.is_here]
    if to.is_encrypted:
        return ok("asks for TLS")
    if not away:
        return ok("leads to this host alone")
    mend = {
        "AMQP_URL": "amqps:// and the broker's TLS port, mostly 5671, in AMQP_URL",
        "DATABASE_URL": "?sslmode=verify-full in DATABASE_URL",
    }[variable]
    return warning(f"leads to {', '.join(away)} and does not ask for TLS", mend)


def not_set(variable: str, example: str) -> Finding:
    """Return the finding of a server that no setting names."""
    return wrong(f"{variable} is not set", f"export {variable}={example}")
