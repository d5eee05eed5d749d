"""Running spans: the current one, their attributes, and their ends."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic, time_ns

import structlog
from opentelemetry.trace import Span, StatusCode, format_trace_id, use_span

from worker.broker.replies import Reply
from worker.traces.interface import ReceivedMessage, SettledMessage

Send = Callable[[Reply, Span], tuple[Reply, Span]]
ReplyAddress = tuple[str | None, str | None]


class TracedMessages:
    """The spans of messages by delivery tag, and by the address to which they are answered."""

    def __init__(self, send: Send, spans: Mapping[int, Span], answered: Mapping[ReplyAddress, Span]) -> None:
        self._send = send
        self._spans = spans
        self._answered = answered

    @contextmanager
    def sending(self, replies: list[Reply]) -> Iterator[list[Reply]]:
        """Trace the replies to messages that have a span; the others are yielded unchanged."""
        spans: list[Span] = []
        addressed: list[Reply] = []
        for reply in replies:
            parent = self._answered.get((reply.reply_to, reply.correlation_id))
            traced, span = self._send(reply, parent) if parent else (reply, None)
            addressed.append(traced)
            spans += [span] if span else []
        try:
            yield addressed
        finally:
            for span in spans:
                span.end()

    def record_outcomes(self, batch: Sequence[SettledMessage]) -> None:
        """Record each outcome; a rejection is a failure with its code."""
        for settled in batch if self._spans else ():
            if span := self._spans.get(settled.delivery.tag):
                span.set_attribute("session_store.outcome", settled.verdict.outcome.value)
                if code := settled.verdict.code:
                    fail(span, code.value)


class TracedCall:
    """The span of a call."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def end_as(self, result: str) -> None:
        """Record the reason of an error."""
        if result != "ok":
            fail(self._span, result)


@contextmanager
def running(*spans: Span) -> Iterator[None]:
    """Make the last span the current one; all end with the block, and fail with an exception that leaves it."""
    try:
        with use_span(spans[-1], record_exception=False, set_status_on_exception=False):
            yield
    except BaseException as error:
        for span in spans:
            fail(span, str(getattr(error, "reason", type(error).__name__)))
            if sqlstate := getattr(error, "sqlstate", None):
                span.set_attribute("db.response.status_code", sqlstate)
        raise
    finally:
        for span in reversed(spans):
            span.end()


@contextmanager
def log_trace_id(span: Span) -> Iterator[None]:
    """Add the trace's id to log lines, if the trace is sampled."""
    if not span.is_recording():
        yield
        return
    with structlog.contextvars.bound_contextvars(trace_id=format_trace_id(span.get_span_context().trace_id)):
        yield


def fail(span: Span, kind: str) -> None:
    """Record a failure by a word; the text of an exception may quote a session."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", kind)


def reply_addresses(messages: Iterable[tuple[ReceivedMessage, Span]]) -> dict[ReplyAddress, Span]:
    """Return the spans of messages by reply queue and correlation id."""
    spans: dict[ReplyAddress, Span] = {}
    for message, span in messages:
        if message.properties and message.properties.reply_to:
            spans[message.properties.reply_to, message.properties.correlation_id] = span
    return spans


def wall_time(time: float) -> int:
    """Return a time of the monotonic clock in nanoseconds since the epoch."""
    return time_ns() - int((monotonic() - time) * 1e9)
