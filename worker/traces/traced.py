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
from worker.traces.continued import headers_for, trace_in_headers, trace_of_event
from worker.traces.interface import Taken
from worker.traces.spans import TracedCall, TracedMessages, logging_in, reply_addresses, running, wall_time

Values = dict[str, str | int | bool]

REPLY: Final = "send (temporary)"  # to a caller's own queue, whose name no trace is to be told by


@dataclass(frozen=True, slots=True)
class Peers:
    """What spans say of the servers: of the broker, of the database, and which exchange messages come through."""

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
    def storing(self, batch: Sequence[Taken], begun: float) -> Iterator[TracedMessages]:
        """Trace a batch, with a link to every message that carried a trace, and each of those in its own.

        A message that carried none has no span. The batch belongs to the trace of its first sampled message, so
        that of what is sampled the storing is too.
        """
        carried = [(taken, at) for taken in batch if (at := trace_of_event(taken.delivery, taken.properties))]
        spans = [self._begin(taken.delivery, at) for taken, at in carried]
        sampled = next((span for span in spans if span.is_recording()), None)
        parent = (
            set_span_in_context(sampled, Context()) if sampled else next((at for _, at in carried), Context())
        )
        links = [Link(get_current_span(at).get_span_context()) for _, at in carried]
        values = {**self._message_values("store"), "messaging.batch.message_count": len(batch)}
        whole = self._tracer.start_span(
            "store batch", parent, SpanKind.CONSUMER, values, links, start_time=wall_time(begun)
        )
        for span in spans:
            span.add_link(whole.get_span_context())
        traced = [(taken, span) for (taken, _), span in zip(carried, spans, strict=True)]
        by_tag = {taken.delivery.tag: span for taken, span in traced}
        with running(*spans, whole), logging_in(whole):
            yield TracedMessages(self._send, by_tag, reply_addresses(traced))

    @contextmanager
    def serving(self, request: Delivery, properties: Properties) -> Iterator[TracedMessages]:
        """Trace a request, within its caller's trace where it names one."""
        span = self._begin(request, trace_in_headers(properties) or Context())
        answered = {(properties.reply_to, properties.correlation_id): span}
        with running(span), logging_in(span):
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
        """Trace a call to the database within what is being traced."""
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
        """Hand over what is not exported yet, for a second at most."""
        await self._close()

    def _begin(self, delivery: Delivery, parent: Context) -> Span:
        """Return the span of a message, which begins when it came."""
        where = f"{self._peers.exchange}:{delivery.queue}"
        values: Values = {
            **self._message_values("process"),
            "messaging.destination.name": where,
            "messaging.message.body.size": len(delivery.body),
            "messaging.rabbitmq.message.delivery_tag": delivery.tag,
        }
        begun = wall_time(delivery.received)
        return self._tracer.start_span(
            f"process {where}", parent, SpanKind.CONSUMER, values, start_time=begun
        )

    def _send(self, reply: Reply, parent: Span) -> tuple[Reply, Span]:
        values: Values = {
            **self._message_values("send"),
            "messaging.destination.temporary": True,
            "messaging.message.body.size": len(reply.body),
        }
        within = set_span_in_context(parent, Context())
        span = self._tracer.start_span(REPLY, within, SpanKind.PRODUCER, values)
        return replace(reply, headers=headers_for(span)), span

    def _message_values(self, operation: str) -> Values:
        return {
            "messaging.system": "rabbitmq",
            "messaging.operation.name": operation,
            "messaging.operation.type": "send" if operation == "send" else "process",
            **self._peers.broker,
        }
