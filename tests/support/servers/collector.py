"""A collector of traces: it keeps the spans that a worker exports by OTLP over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.patience import LONGEST_WAIT


class Collector:
    """The received spans in their order, and the attributes of the services that sent them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.resources: set[tuple[str, str]] = set()
        self.url = ""
        self._news = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        """Keep the spans of an export."""
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for of_resource in exported.resource_spans:
            self.resources |= {
                (each.key, each.value.string_value) for each in of_resource.resource.attributes
            }
            for of_scope in of_resource.scope_spans:
                self.spans += of_scope.spans
        async with self._news:
            self._news.notify_all()
        return web.Response()

    def of_trace(self, trace_id: str) -> dict[str, Span]:
        """Return the spans of a trace by their names; the later of two with one name."""
        return {span.name: span for span in self.spans if span.trace_id.hex() == trace_id}

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return once the condition is true; checks it at each export."""
        async with self._news:
            try:
                async with asyncio.timeout(LONGEST_WAIT):
                    await self._news.wait_for(holds)
            except TimeoutError:
                raise AssertionError(f"came: {[(s.name, s.trace_id.hex()) for s in self.spans]}") from None

    async def trace(self, trace_id: str, *names: str) -> dict[str, Span]:
        """Return the spans of a trace, once it has one of each name."""
        await self.until(lambda: set(names) <= set(self.of_trace(trace_id)))
        return self.of_trace(trace_id)


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Yield a collector that listens on a free port."""
    collector = Collector()
    application = web.Application()
    application.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield collector
    finally:
        await runner.cleanup()


def values_of(span: Span) -> dict[str, str | int | bool]:
    """Return a span's attributes by name."""
    found: dict[str, str | int | bool] = {}
    for each in span.attributes:
        kind = each.value.WhichOneof("value")
        assert kind in ("string_value", "int_value", "bool_value")
        found[each.key] = getattr(each.value, kind)
    return found


def links_of(span: Span) -> set[str]:
    """Return the ids of the traces that a span is linked to."""
    return {link.trace_id.hex() for link in span.links}
