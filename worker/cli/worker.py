"""`run`, `config` and `version`."""

import faulthandler
from importlib.metadata import version
from typing import Annotated

import typer

from worker.app import run_worker
from worker.cli.console import print_json, print_table, run_to_end, warn
from worker.cli.options import AmqpUrl, AsJson, DatabaseUrl, Prefix
from worker.observability.logs import configure_logs
from worker.settings.config import Settings, variables
from worker.settings.keyring import keyring_of
from worker.settings.loading import Loaded, load
from worker.settings.urls import mask_passwords
from worker.startup.process_limits import allow_open_files, forbid_core_dumps
from worker.startup.require_tls import refuse_plain_text


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
    faulthandler.enable()  # systemd's watchdog ends a stalled loop by SIGABRT, and its stack goes to the log
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
    refuse_plain_text(loaded.settings)
    allow_open_files(loaded.settings)
    deduplicator = configure_logs(loaded.settings.log_level, loaded.settings.log_format)
    _warn_of_unknown(loaded)
    run_to_end(run_worker(loaded, deduplicator))


def print_config(as_json: AsJson = False) -> None:
    """Print the settings in force and the origin of each; secrets are masked."""
    loaded = load(required=())
    shown = {
        name: (_shown(loaded.settings, field, secret), loaded.origins.get(name, "default"))
        for name, (field, secret) in variables().items()
    }
    if as_json:
        print_json({name: {"value": value, "origin": origin} for name, (value, origin) in shown.items()})
    else:
        print_table(("variable", "value", "from"), [(n, v or "not set", o) for n, (v, o) in shown.items()])
    _warn_of_unknown(loaded)


def print_version() -> None:
    """Print the release."""
    print(version("session-store"))


def _warn_of_unknown(loaded: Loaded) -> None:
    for name, meant in loaded.unknown.items():
        warn(f"{name} is not a setting" + (f"; is {meant} meant?" if meant else ""))


def _shown(settings: Settings, field: str, secret: bool) -> str:
    value = getattr(settings, field)
    if field == "signing_keys":
        return " ".join(f"{key_id}:***" for key_id in keyring_of(settings).ids)
    return mask_passwords(value.get_secret_value()) if secret else str(value)
