"""`run`: the worker."""

import faulthandler
from typing import Annotated

import typer

from worker.app import run_worker
from worker.cli.config import warn_of_unknown
from worker.cli.console import run_to_end
from worker.cli.loading import load
from worker.cli.options import AmqpUrl, DatabaseUrl, Prefix
from worker.observability.log_output import guard_stderr
from worker.observability.logs import configure_logs
from worker.settings.journal import STDERR
from worker.startup.process_limits import allow_open_files, forbid_core_dumps


def run(
    database_url: DatabaseUrl = None,
    amqp_url: AmqpUrl = None,
    prefix: Prefix = None,
    batch_size: Annotated[int | None, typer.Option(help="Maximum of events in a transaction.")] = None,
    prefetch: Annotated[int | None, typer.Option(help="Unacknowledged events for each queue.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="auto, json or console.")] = None,
) -> None:
    """Run a worker until SIGTERM: store events, answer requests."""
    forbid_core_dumps()
    log_output = guard_stderr()
    faulthandler.enable(STDERR)  # at SIGABRT, by which systemd ends a stalled loop, its stack goes to the log
    loaded = load(
        {
            "database_url": database_url,
            "amqp_url": amqp_url,
            "prefix": prefix,
            "batch_size": batch_size,
            "prefetch": prefetch,
            "log_level": log_level,
            "log_format": log_format,
        }
    )
    allow_open_files(loaded.settings)
    deduplicator = configure_logs(loaded.settings.log_level, loaded.settings.log_format)
    warn_of_unknown(loaded)
    run_to_end(run_worker(loaded, deduplicator, log_output))
