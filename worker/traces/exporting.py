"""Exports spans by OTLP over HTTP, from a thread of the SDK; spans that cannot be exported are dropped and logged."""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from contracts.topology import Topology
from worker.errors import ConfigurationError
from worker.settings.broker_address import read_broker_address
from worker.settings.config import Settings
from worker.settings.endpoint import Destination
from worker.settings.postgres.address import read_database_address
from worker.settings.urls import mask_passwords
from worker.traces.otel import OtelTracing, Peers

log = structlog.get_logger()

CLOSE_SECONDS: Final = 1.0
Close = Callable[[], Coroutine[None, None, None]]
NAME: Final = "session-store"
UNNAMED: Final = "unknown_service"


def export_traces(settings: Settings, endpoint: str, version: str) -> OtelTracing:
    """Return traces to a collector; the SDK reads its other variables from the environment.

    Raises ConfigurationError for a variable that the SDK cannot read.
    """
    _forward_warnings(mask_passwords(endpoint))
    try:
        limits = SpanLimits(max_links=settings.batch_size)  # a batch links to each of its messages
        provider = TracerProvider(resource=_resource(version), span_limits=limits, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    except ValueError as error:
        raise ConfigurationError(f"a variable of OpenTelemetry (OTEL_…) is wrong: {error}") from error
    log.info("traces.exporting", endpoint=mask_passwords(endpoint))
    return OtelTracing(provider.get_tracer(NAME, version), _peers(settings), _closing(provider))


def _resource(version: str) -> Resource:
    found = Resource.create()
    if str(found.attributes[SERVICE_NAME]).startswith(UNNAMED):
        found = found.merge(Resource({SERVICE_NAME: NAME, SERVICE_VERSION: version}))
    return found


def _peers(settings: Settings) -> Peers:
    to = read_database_address(settings.database_url.get_secret_value()).destination
    broker = _server(read_broker_address(settings.amqp_url.get_secret_value()).destination)
    return Peers(broker, {**_server(to), "db.namespace": to.name}, Topology(settings.prefix).sessions.name)


def _server(to: Destination) -> dict[str, str | int]:
    """Return a server's address as attributes; none for several servers."""
    [first, *others] = to.endpoints
    return {} if others else {"server.address": first.host, "server.port": first.port}


def _closing(provider: TracerProvider) -> Close:
    async def close() -> None:
        """Export the remaining spans; a thread that waits for a hanging collector ends with the process."""
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            provider.shutdown()
            _call_in_loop(loop, closed.set)

        threading.Thread(target=shut_down, daemon=True).start()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await closed.wait()
        except TimeoutError:
            log.warning("traces.not_exported", reason="the collector did not answer before the end")

    return close


class _SdkWarnings(logging.Handler):
    """Logs the SDK's warnings from the loop's thread, where repeated lines are deduplicated."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(logging.WARNING)
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record, unless it is about one attempt of several: the last failed attempt is an error."""
        if record.levelno >= logging.ERROR or not record.name.startswith("opentelemetry.exporter"):
            _call_in_loop(self._loop, self._log_warning, mask_passwords(record.getMessage()))

    def _log_warning(self, reason: str) -> None:
        log.warning("traces.not_exported", endpoint=self._endpoint, reason=reason)


def _forward_warnings(endpoint: str) -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers, logger.propagate = [_SdkWarnings(endpoint)], False


def _call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *arguments: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, *arguments)
