"""The trace that a message continues: the caller's current span of OpenTelemetry, where it has one."""

import sys


def trace_headers() -> dict[str, str]:
    """Return `traceparent`, and `tracestate` where there is one; nothing without a current span.

    A program that has a span has imported OpenTelemetry: for any other this is one look.
    """
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers
