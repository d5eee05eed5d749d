"""Traces are off without a collector, wrong settings get a clear refusal, and no header raises."""

import subprocess
import sys
from pathlib import Path
from typing import cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span
from pydantic import SecretStr

from contracts.client.tracing import trace_headers
from tests.support.programs.command import run_command
from worker.broker.delivery import Delivery, Properties
from worker.errors import ConfigurationError
from worker.settings.config import Flags, Settings
from worker.settings.loading import load
from worker.traces.choice import endpoint_of, open_traces
from worker.traces.interface import NO_TRACING
from worker.traces.propagation import trace_of_event

SERVERS = {"DATABASE_URL": "postgresql://127.0.0.1/d", "AMQP_URL": "amqp://127.0.0.1"}
COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LOOK = """
import sys
import contracts.client, worker.app, worker.cli.worker
from worker.settings.loading import load
from worker.traces.choice import open_traces
open_traces(load(required=()).settings, "1")
contracts.client.link.trace_headers()
sys.exit(any(name.partition(".")[0] == "opentelemetry" for name in sys.modules))
"""


def settings(**given: str) -> Settings:
    flags = {name: SecretStr(text) if name.endswith("url") else text for name, text in given.items()}
    return load(cast(Flags, flags), ()).settings


def delivery(body: bytes = b"{}") -> Delivery:
    return Delivery("session.write", 1, False, "session.write", b"", body)


def trace_id_of(headers: dict[str, object] | None, body: bytes = b"{}") -> str | None:
    context = trace_of_event(delivery(body), Properties(headers=headers))  # type: ignore[arg-type]
    return None if context is None else f"{get_current_span(context).get_span_context().trace_id:032x}"


def test_nothing_of_opentelemetry_is_loaded_when_traces_are_off() -> None:
    assert subprocess.run([sys.executable, "-c", LOOK], env={}, check=False, timeout=60).returncode == 0


def test_traces_are_off_without_a_collector_and_when_switched_off() -> None:
    assert open_traces(settings(), "1") is NO_TRACING
    assert endpoint_of(settings(otlp_url="http://h:4318", traces_exporter="none")) is None


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({"otlp_url": "http://h:4318"}, "http://h:4318/v1/traces"),
        ({"otlp_url": "https://127.0.0.1/otlp/"}, "https://127.0.0.1/otlp/v1/traces"),
        ({"otlp_url": "http://h:1", "otlp_traces_url": "http://own:2/x"}, "http://own:2/x"),
    ],
)
def test_spans_go_where_opentelemetrys_variables_say(given: dict[str, str], endpoint: str) -> None:
    assert endpoint_of(settings(**given)) == endpoint


@pytest.mark.parametrize("url", ["h:4318", "grpc://h", "http://", "http://[h", "http://u:secret@"])
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError, match=COLLECTOR) as refused:
        endpoint_of(settings(otlp_url=url))
    assert "secret" not in str(refused.value)


def test_a_worker_says_that_the_extra_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry.py").write_text('raise ModuleNotFoundError("gone", name="opentelemetry")\n')
    variables = {**SERVERS, COLLECTOR: "http://127.0.0.1:9", "PYTHONPATH": str(tmp_path)}
    ended = run_command("run", variables=variables)
    assert ended.returncode == 78
    assert "pip install 'session-store[traces]'" in ended.stderr


def test_a_wrong_variable_of_the_sdk_is_a_wrong_configuration() -> None:
    variables = {**SERVERS, COLLECTOR: "http://127.0.0.1:9", "OTEL_BSP_MAX_QUEUE_SIZE": "-1"}
    ended = run_command("run", variables=variables)
    assert ended.returncode == 78
    assert "OTEL_" in ended.stderr


def test_the_headers_of_a_message_go_before_the_attributes_of_its_event() -> None:
    event = orjson.dumps({"traceparent": PARENT, "data": {}})
    assert trace_id_of(None, event) == "0af7651916cd43dd8448eb211c80319c"
    other = PARENT.replace("0af", "1af")
    assert trace_id_of({"traceparent": other}, event) == "1af7651916cd43dd8448eb211c80319c"
    assert trace_id_of(None, orjson.dumps({"data": {"traceparent": PARENT}})) is None
    assert trace_id_of(None, b'"traceparent"') is None
    assert trace_id_of(None, b'{"traceparent":') is None


HEADER = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.integers(-(2**63), 2**64 - 1),
    st.lists(st.just(PARENT), max_size=2),
    st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", fullmatch=True),
    st.from_regex(r"([ a-z0-9@_,=*/-]{0,12}=?[ -~]{0,8},?){0,5}", fullmatch=True),
)


@given(parent=st.one_of(st.just(PARENT), HEADER), state=HEADER)
def test_no_header_of_a_trace_raises(parent: object, state: object) -> None:
    assert trace_id_of({"traceparent": parent, "tracestate": state}) != ""
    trace_id_of(None, orjson.dumps({"traceparent": parent, "tracestate": state}, default=str))


def test_the_client_sends_a_trace_only_within_a_span() -> None:
    assert trace_headers() == {}
    with TracerProvider(shutdown_on_exit=False).get_tracer("engine").start_as_current_span("turn") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
        assert trace_headers()["traceparent"].split("-")[1] == trace_id
