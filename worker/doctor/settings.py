"""Whether the settings are as they should be."""

from worker.finding import Finding, ok, warning, wrong
from worker.settings.config import Loaded
from worker.settings.endpoint import TLS_SETTINGS, Destination


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
    if to.is_encrypted:
        return ok("asks for TLS")
    if not to.exposed:
        return ok("leads to this host alone")
    return warning(f"leads to {', '.join(to.exposed)} and does not ask for TLS", TLS_SETTINGS[variable])


def not_set(variable: str, example: str) -> Finding:
    """Return the finding of a server that no setting names."""
    return wrong(f"{variable} is not set", f"export {variable}={example}")
