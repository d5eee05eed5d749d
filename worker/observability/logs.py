"""Logs: one line for each thing that matters, to stderr; JSON for machines, plain for a terminal."""

import logging
import re
import sys
import traceback
from functools import partial
from typing import Any, Final, Literal

import structlog
from structlog.typing import EventDict, Processor

from worker.observability.log_dedup import Deduplicator
from worker.observability.log_output import LogOutput
from worker.settings.journal import stderr_is_journal, with_priority

LogFormat = Literal["auto", "json", "console"]
MAX_TEXT: Final = 300
NOT_SHOWN: Final = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
"""Control characters, marks that turn the direction of text, and halves of surrogate pairs."""


def configure_logs(level: str, log_format: LogFormat) -> Deduplicator:
    """Send every log line, the libraries' warnings included, to stderr in one format; return its deduplicator."""
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    deduplicator = Deduplicator()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        escape_texts,
    ]
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    last: list[Processor] = [show_exception, _prioritized(renderer)]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, deduplicator, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_foreign(last))
    )
    if isinstance(sys.stderr, LogOutput):
        sys.stderr.describe_dropped = partial(_describe_dropped, [*shared, *last])
    logging.basicConfig(handlers=[handler], level=max(threshold, logging.WARNING), force=True)
    hush_libraries()
    return deduplicator


def hush_libraries() -> None:
    """Silence the AMQP libraries: they report errors that their callers handle and log."""
    for name in ("aiormq", "aio_pika"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def escape_texts(_logger: object, _name: str, line: EventDict) -> EventDict:
    """Leave every text of a line printable and at most 300 characters long."""
    return {name: _escape(value) if isinstance(value, str) else value for name, value in line.items()}


def show_exception(_logger: object, _name: str, line: EventDict) -> EventDict:
    """Leave the type and the place of an exception; its words may quote a session."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["exception"] = f"{type(error).__qualname__}\n{''.join(traceback.format_tb(error.__traceback__))}"
    return line


def _prioritized(renderer: Processor) -> Processor:
    """Return the renderer, with the priority in front of each line when stderr is the journal now."""
    if not stderr_is_journal():
        return renderer

    def render(logger: object, name: str, line: EventDict) -> str:
        level = str(line.get("level", "info"))
        return with_priority(level, str(renderer(logger, name, line)))

    return render


def _describe_dropped(processors: list[Processor], count: int) -> str:
    line: Any = {"event": "log.lines_dropped", "lines": count}
    for process in processors:
        line = process(None, "warning", line)
    return str(line)


def _escape(text: str) -> str:
    cut = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    return NOT_SHOWN.sub(lambda match: f"\\u{ord(match[0]):04x}", cut)


def _foreign(last: list[Processor]) -> list[Processor]:
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
