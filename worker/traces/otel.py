"""Spans for OpenTelemetry, named by its conventions for messaging, databases and RPC (1.44)."""

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer, get_current_span, set_span_in_context

from contracts.requests import PARAMS
from worker.broker.delivery import Delivery, Properties
from worker.broker.replies import Reply
from worker.traces.interface import ReceivedMessage
from worker.traces.propagation import headers_for, trace_in_headers, trace_of_event
from worker.traces.spans import TracedCall, TracedMessages, log_trace_id, reply_addresses, running, wall_time

Values = dict[str, str | int | bool]

REPLY: Final = "send (temporary)"  # to a caller's own queue, whose name would identify the caller


@dataclass(frozen=True, slots=True)
class Peers:
    """Attributes of the broker and of the database, and the exchange that messages come through."""

    broker: Mapping[str, str | int]
    database: Mapping[str, str | int]
    exchange: str


class OtelTracing:
    """Traces with one tracer."""

    def __init__(
        self, tracer: Tracer, peers: Peers, close: Callable[[], Coroutine[None, None, None]]
    ) -> None:
        self._tracer = tracer
        self._peers = peers
        self._close = close

    @contextmanager
    def storing(self, batch: Sequence[ReceivedMessage], started: float) -> Iterator[TracedMessages]:
        """Trace a batch, with a link to every message that carried a trace, and each such message in its own trace.

        A message that carried none has no span. The batch belongs to the trace of its first sampled message, so that
        a sampled trace contains the storing.
        """
        continued = [
            (message, context)
            for message in batch
            if (context := trace_of_event(message.delivery, message.properties))
        ]
        spans = [self._begin(message.delivery, context) for message, context in continued]
        sampled = next((span for span in spans if span.is_recording()), None)
        parent = (
            set_span_in_context(sampled, Context())
            if sampled
            else next((context for _, context in continued), Context())
        )
        links = [Link(get_current_span(context).get_span_context()) for _, context in continued]
        values = {**self._message_values("store"), "messaging.batch.message_count": len(batch)}
        batch_span = self._tracer.start_span(
            "store batch", parent, SpanKind.CONSUMER, values, links, start_time=wall_time(started)
        )
        for span in spans:
            span.add_link(batch_span.get_span_context())
        traced = [(message, span) for (message, _), span in zip(continued, spans, strict=True)]
        by_tag = {message.delivery.tag: span for message, span in traced}
        with running(*spans, batch_span), log_trace_id(batch_span):
            yield TracedMessages(self._send, by_tag, reply_addresses(traced))

    @contextmanager
    def serving(self, request: Delivery, properties: Properties) -> Iterator[TracedMessages]:
        """Trace a request, within its caller's trace where it carries one."""
        span = self._begin(request, trace_in_headers(properties) or Context())
        answered = {(properties.reply_to, properties.correlation_id): span}
        with running(span), log_trace_id(span):
            yield TracedMessages(self._send, {request.tag: span}, answered)

    @contextmanager
    def calling(self, method: str) -> Iterator[TracedCall]:
        """Trace a call within its request."""
        name = method if method in PARAMS else "_OTHER"
        values: Values = {"rpc.system.name": "jsonrpc", "rpc.method": name}
        span = self._tracer.start_span(name, kind=SpanKind.SERVER, attributes=values)
        with running(span):
            yield TracedCall(span)

    @contextmanager
    def querying(self, summary: str, rows: int = 1) -> Iterator[None]:
        """Trace a call to the database within the current span."""
        values: Values = {
            "db.system.name": "postgresql",
            "db.operation.name": summary.partition(" ")[0],
            "db.query.summary": summary,
            **self._peers.database,
        }
        if rows > 1:
            values["db.operation.batch.size"] = rows
        with running(self._tracer.start_span(summary, kind=SpanKind.CLIENT, attributes=values)):
            yield

    async def close(self) -> None:
        """Export the remaining spans, for a second at most."""
        await self._close()

    def _begin(self, delivery: Delivery, parent: Context) -> Span:
        """Return the span of a message, which starts when the message was received."""
        destination = f"{self._peers.exchange}:{delivery.queue}"
        values: Values = {
            **self._message_values("process"),
            "messaging.destination.name": destination,
            "messaging.message.body.size": len(delivery.body),
            "messaging.rabbitmq.message.delivery_tag": delivery.tag,
        }
        started = wall_time(delivery.received)
        return self._tracer.start_span(
            f"process {destination}", parent, SpanKind.CONSUMER, values, start_time=started
        )

    def _send(self, reply: Reply, parent: Span) -> tuple[Reply, Span]:
        values: Values = {
            **self._message_values("send"),
            "messaging.destination.temporary": True,
            "messaging.message.body.size": len(reply.body),
        }
        parent_context = set_span_in_context(parent, Context())
        span = self._tracer.start_span(REPLY, parent_context, SpanKind.PRODUCER, values)
        return replace(reply, headers=headers_for(span)), span

    def _message_values(self, operation: str) -> Values:
        return {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": operation,
            "messaging.operation.type": "send" if operation == "send" else "process",
            **self._peers.broker,
        }
