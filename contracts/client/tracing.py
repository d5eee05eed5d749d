"""The trace that a message continues: the current span of OpenTelemetry, where the program has one."""

import sys


def trace_headers() -> dict[str, str]:
    """Return `traceparent`, and `tracestate` where there is one; nothing without a current span.

    A program that has a span has imported OpenTelemetry. In any other this costs one look-up.
    """
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers
