"""Opens traces where OpenTelemetry's own variables name a collector."""

from yarl import URL

from worker.errors import ConfigurationError
from worker.settings.config import Settings
from worker.traces.interface import NO_TRACING, Traces

TRACES_PATH = "v1/traces"


def open_traces(settings: Settings, version: str) -> Traces:
    """Return the traces that the settings ask for; called with the event loop running.

    Raises ConfigurationError for an invalid address, an invalid variable of OpenTelemetry, or where its packages
    are not installed.
    """
    endpoint = endpoint_of(settings)
    if endpoint is None:
        return NO_TRACING
    try:
        from worker.traces.exporting import export_traces  # nothing of OpenTelemetry is loaded before
    except ImportError as error:
        raise ConfigurationError(
            f"traces are on (OTEL_EXPORTER_OTLP_ENDPOINT), but {error.name} is not installed: "
            "pip install 'session-store[traces]'"
        ) from error
    return export_traces(settings, endpoint, version)


def endpoint_of(settings: Settings) -> str | None:
    """Return the collector's URL; None when traces are off. Raises ConfigurationError for an invalid HTTP URL."""
    own = settings.otlp_traces_url.get_secret_value()
    common = settings.otlp_url.get_secret_value()
    if settings.traces_exporter == "none" or not (own or common):
        return None
    variable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if own else "OTEL_EXPORTER_OTLP_ENDPOINT"
    if not _is_http(own or common):
        raise ConfigurationError(f"{variable} must begin with http:// or https:// and name a host")
    return own or f"{common.rstrip('/')}/{TRACES_PATH}"


def _is_http(text: str) -> bool:
    try:
        url = URL(text)
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.host)
