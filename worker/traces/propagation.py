"""Propagates W3C trace context: in a message's headers, or in its event's attributes as CloudEvents defines them."""

from collections.abc import Mapping
from typing import Final

import orjson
from opentelemetry.context import Context
from opentelemetry.trace import Span, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.limits import BODY_LIMIT
from worker.broker.delivery import Delivery, Properties

MAX_FIELD_CHARACTERS: Final = 512
FIELDS: Final = ("traceparent", "tracestate")
_MARK: Final = b'"traceparent"'
_PROPAGATOR: Final = TraceContextTextMapPropagator()


def trace_of_event(delivery: Delivery, properties: Properties | None) -> Context | None:
    """Return the trace that an event continues; the message's headers take precedence over the event's attributes."""
    return trace_in_headers(properties) or _trace_in(_attributes_of(delivery.body))


def trace_in_headers(properties: Properties | None) -> Context | None:
    """Return the trace in a message's headers; None where there is none, or an invalid one."""
    return _trace_in((properties.headers or {}) if properties else {})


def headers_for(span: Span) -> dict[str, str]:
    """Return the headers with which a message continues the trace of a span."""
    headers: dict[str, str] = {}
    _PROPAGATOR.inject(headers, set_span_in_context(span, Context()))
    return headers


def _trace_in(fields: Mapping[str, object]) -> Context | None:
    given = {name: fields[name] for name in FIELDS if name in fields}
    carrier = {
        name: text
        for name, text in given.items()
        if isinstance(text, str) and len(text) <= MAX_FIELD_CHARACTERS
    }
    if FIELDS[0] not in carrier:
        return None
    context = _PROPAGATOR.extract(carrier, Context())
    return context if get_current_span(context).get_span_context().is_valid else None


def _attributes_of(body: bytes) -> Mapping[str, object]:
    if len(body) > BODY_LIMIT or _MARK not in body:
        return {}
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}
