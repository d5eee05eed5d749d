"""Answers `/livez`, `/readyz`, `/metrics` and the status page, in the worker's own loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from aiohttp import web

from worker.observability.http.page import STYLE, render_page
from worker.observability.metrics import CONTENT_TYPE
from worker.observability.worker_view import WorkerView
from worker.retry import retry, sleep_always

log = structlog.get_logger()

RETRY_SECONDS: Final = 5.0
MAX_CONNECTIONS: Final = 50
"""Connections to the pages. Each is an open file, and the connections to the servers need files too."""

SHUTDOWN_SECONDS: Final = 1.0
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Pages:
    """The answers to every path."""

    def __init__(self, view: WorkerView) -> None:
        self._view = view

    def make_application(self) -> web.Application:
        """Return the application that serves these pages."""
        application = web.Application()
        application.router.add_get("/livez", self.live)
        application.router.add_get("/readyz", self.ready)
        application.router.add_get("/metrics", self.metrics)
        application.router.add_get("/style.css", self.style)
        application.router.add_get("/", self.status)
        application.on_response_prepare.append(_protect)
        return application

    async def live(self, _: web.Request) -> web.Response:
        """Answer 200 while the event loop runs: a stalled loop does not answer."""
        live = self._view.health.is_live
        return web.json_response({"live": live}, status=200 if live else 503)

    async def ready(self, _: web.Request) -> web.Response:
        """200 when the worker stores and answers; 503 with the reasons by part when not."""
        reasons = self._view.health.not_ready_reasons()
        body = {"ready": not reasons, "reasons": dict(reasons)}
        return web.json_response(body, status=503 if reasons else 200)

    async def metrics(self, _: web.Request) -> web.Response:
        """All metrics in Prometheus' text format."""
        return web.Response(body=self._view.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def style(self, _: web.Request) -> web.Response:
        """The style of the status page."""
        return web.Response(text=STYLE, content_type="text/css")

    async def status(self, _: web.Request) -> web.Response:
        """The page for people."""
        return web.Response(text=render_page(self._view), content_type="text/html")


@asynccontextmanager
async def listening(view: WorkerView, host: str, port: int) -> AsyncIterator[None]:
    """Have the pages served for as long as the context lasts.

    A port that is taken is logged once and tried again every 5 s: storing does not depend on it, and the replica
    that has it may be about to end.
    """
    application = Pages(view).make_application()
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(_listen(runner, host, port))
            yield
            task.cancel()
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * SHUTDOWN_SECONDS):
                await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    """Serve until cancelled; an empty host is every address of IPv4 and IPv6."""

    async def start() -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: _accept(runner), host or None, port)

    def log_first(error: OSError, failures: int) -> None:
        if failures == 1:
            log.error("http.not_listening", host=host, port=port, reason=error.strerror or str(error))

    listener = await retry(start, OSError, lambda _: sleep_always(RETRY_SECONDS), on_failure=log_first)
    log.info("http.listening", host=host, port=listener.sockets[0].getsockname()[1])
    try:
        await asyncio.Event().wait()
    finally:
        listener.close()


def _accept(runner: web.AppRunner) -> asyncio.Protocol:
    """Return the protocol of a new connection; beyond the maximum the oldest ends, which may ask nothing."""
    server = runner.server
    if server is None:
        raise AssertionError("no server was set up")
    connections = server.connections
    for connection in connections[: max(0, len(connections) + 1 - MAX_CONNECTIONS)]:
        connection.force_close()
    return server()


async def _protect(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
