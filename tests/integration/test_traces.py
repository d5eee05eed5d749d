"""A real worker exports spans: an engine's trace continues through storing, the database and the reply."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import format_trace_id

from contracts.client import SessionStore
from contracts.topology import RPC_KEY, WRITE_KEY, Topology
from tests.support.broker.caller import DIRECT_REPLY, Caller
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.installation import Variables
from tests.support.programs.replica import Replica
from tests.support.programs.watched_worker import POLL_SECONDS, write_body
from tests.support.servers.collector import Collector, collecting, links_of, values_of

APPLY: Final = "SELECT apply_session_events"
REPLY: Final = "send (temporary)"
BROKEN: Final[tuple[object, ...]] = (
    "",
    "00",
    "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
    "x" * 10_000,
    bytearray(b"\xff\x00"),
    7,
    ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    {"a": None},
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A worker that exports spans, their collector, and a caller."""

    collector: Collector
    replica: Replica
    caller: Caller
    process: str
    variables: Variables

    async def answer(self, body: bytes, key: str, headers: dict[str, object]) -> AbstractIncomingMessage:
        """Return the whole reply to a message."""
        number = secrets.token_hex(4)
        await self.caller.publish(body, key, reply_to=DIRECT_REPLY, correlation_id=number, headers=headers)
        async with asyncio.timeout(LONGEST_WAIT):
            while True:
                for reply in self.caller.strays:
                    if reply.correlation_id == number:
                        return reply
                await asyncio.sleep(POLL_SECONDS)

    async def confirmed(self, session_id: str, headers: dict[str, object]) -> str:
        """Return the outcome of a write."""
        reply = await self.answer(write_body(session_id), WRITE_KEY, headers)
        return str(orjson.loads(reply.body)["outcome"])


@pytest.fixture
async def stage(installation: Variables) -> AsyncIterator[Stage]:
    """Yield a running worker that exports every 50 ms."""
    async with collecting() as collector:
        variables = {
            **installation,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        replica = await Replica.start(variables)
        topology = Topology(installation["SESSION_STORE_PREFIX"])
        caller = await Caller.connect(installation["AMQP_URL"], topology)
        try:
            await replica.logged("broker.connected")
            process = f"process {topology.sessions.name}:{topology.prefix}"
            yield Stage(collector, replica, caller, process, installation)
        finally:
            await caller.connection.close()
            await replica.kill()


def begin(flags: str = "01") -> tuple[str, dict[str, object]]:
    """Return the id of a new trace, and the headers by which a message continues it."""
    trace_id = secrets.token_hex(16)
    headers = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-{flags}", "tracestate": "vendor=1"}
    return trace_id, dict(headers)


def parents(spans: dict[str, Span], *names: str) -> bool:
    """Return whether each span is the child of the one before."""
    chain = [spans[name] for name in names]
    return all(below.parent_span_id == above.span_id for above, below in pairwise(chain))


async def test_a_write_is_traced_from_its_engine_to_the_database_and_back(stage: Stage) -> None:
    trace_id, headers = begin()
    reply = await stage.answer(write_body("session of nobody", playerId="player xyz"), WRITE_KEY, headers)
    process = stage.process + WRITE_KEY
    spans = await stage.collector.trace(trace_id, process, "store batch", APPLY, REPLY)
    assert parents(spans, process, "store batch", APPLY)
    assert parents(spans, process, REPLY)
    assert str(headers["traceparent"]).split("-")[2] == spans[process].parent_span_id.hex()
    assert trace_id in links_of(spans["store batch"])
    assert reply.headers["traceparent"] == f"00-{trace_id}-{spans[REPLY].span_id.hex()}-01"
    assert reply.headers["tracestate"] == spans[process].trace_state == "vendor=1"
    assert [spans[name].kind for name in (process, "store batch", APPLY, REPLY)] == [
        Span.SPAN_KIND_CONSUMER,
        Span.SPAN_KIND_CONSUMER,
        Span.SPAN_KIND_CLIENT,
        Span.SPAN_KIND_PRODUCER,
    ]
    values = values_of(spans[process])
    assert (values["messaging.system"], values["session_store.outcome"]) == ("rabbitmq", "stored")
    assert values_of(spans[APPLY])["db.system.name"] == "postgresql"
    assert ("service.name", "session-store") in stage.collector.resources
    said = "".join(map(str, spans.values()))
    assert not [word for word in ("session of nobody", "player xyz", "guest", "postgres:") if word in said]


async def test_a_read_is_traced_as_a_call(stage: Stage) -> None:
    trace_id, headers = begin()
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "session.read",
        "params": {"sessionId": "session of nobody"},
    }
    reply = await stage.answer(orjson.dumps(request), RPC_KEY, headers)
    process = stage.process + RPC_KEY
    spans = await stage.collector.trace(trace_id, process, "session.read", "SELECT sessions", REPLY)
    assert parents(spans, process, "session.read", "SELECT sessions")
    assert parents(spans, process, REPLY)
    assert str(reply.headers["traceparent"]).split("-")[1:3] == [trace_id, spans[REPLY].span_id.hex()]
    call = spans["session.read"]
    assert call.kind == Span.SPAN_KIND_SERVER
    assert values_of(call) == {"rpc.system.name": "jsonrpc", "rpc.method": "session.read"}
    assert "session of nobody" not in "".join(map(str, spans.values()))
    trace_id, headers = begin()
    await stage.answer(orjson.dumps({**request, "method": "no.such", "id": 2}), RPC_KEY, headers)
    failed = (await stage.collector.trace(trace_id, "_OTHER", REPLY))["_OTHER"]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert values_of(failed)["error.type"] == "unknown_method"


async def test_a_batch_links_to_every_message_that_is_traced(stage: Stage) -> None:
    begun = [begin() for _ in range(200)]
    bodies = [write_body(f"session {number}") for number in range(400)]
    sent = [
        stage.caller.publish(body, WRITE_KEY, headers=headers)
        for body, (_, headers) in zip(bodies, begun, strict=False)
    ]
    await asyncio.gather(*sent, *(stage.caller.publish(body, WRITE_KEY) for body in bodies[200:]))
    wanted, process = {trace_id for trace_id, _ in begun}, stage.process + WRITE_KEY

    def named(name: str) -> list[Span]:
        return [span for span in stage.collector.spans if span.name == name]

    def linked() -> set[str]:
        return set().union(*map(links_of, named("store batch")))

    await stage.collector.until(lambda: linked() >= wanted and len(named(process)) >= 200)
    assert linked() == wanted
    assert {span.trace_id.hex() for span in named(process)} == wanted
    batches = {span.span_id for span in named("store batch")}
    assert all({link.span_id for link in span.links} <= batches for span in named(process))


async def test_a_broken_or_unsampled_trace_is_passed_over_and_the_event_stored(stage: Stage) -> None:
    for number, broken in enumerate(BROKEN):
        assert (
            await stage.confirmed(f"session {number}", {"traceparent": broken, "tracestate": broken})
            == "stored"
        )
    quiet, headers = begin("00")
    assert await stage.confirmed("session quiet", headers) == "stored"
    trace_id, headers = begin()
    assert await stage.confirmed("session last", headers) == "stored"
    process = stage.process + WRITE_KEY
    await stage.collector.trace(trace_id, process, "store batch")
    assert {span.trace_id.hex() for span in stage.collector.spans if span.name == process} == {trace_id}
    assert not stage.collector.of_trace(quiet)


async def test_a_refused_event_fails_in_its_trace_and_log_lines_name_it(stage: Stage) -> None:
    trace_id, headers = begin()
    assert await stage.confirmed("", headers) == "rejected"
    process = (await stage.collector.trace(trace_id, stage.process + WRITE_KEY))[stage.process + WRITE_KEY]
    assert process.status.code == Status.STATUS_CODE_ERROR
    assert values_of(process)["error.type"] == "bad_id"
    assert (await stage.replica.logged("events.dead_lettered"))["trace_id"] == trace_id


async def test_the_client_sends_its_callers_trace(stage: Stage) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("engine")
    session = orjson.loads(write_body("session 1"))["data"]["session"]
    async with SessionStore(
        stage.variables["AMQP_URL"], prefix=stage.variables["SESSION_STORE_PREFIX"]
    ) as store:
        with tracer.start_as_current_span("turn") as span:
            await store.write(session)
            await store.read("session 1")
    trace_id = format_trace_id(span.get_span_context().trace_id)
    await stage.collector.trace(trace_id, stage.process + WRITE_KEY, APPLY, "session.read")


async def test_spans_that_are_left_are_handed_over_at_the_end(installation: Variables) -> None:
    async with collecting() as collector:
        variables = {**installation, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces"}
        replica = await Replica.start({**variables, "OTEL_BSP_SCHEDULE_DELAY": "600000"})
        try:
            await replica.logged("broker.connected")
            caller = await Caller.connect(
                installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"])
            )
            await caller.call("session.count")
            await caller.connection.close()
            assert await replica.stop() == 0
            assert "session.count" in {span.name for span in collector.spans}
        finally:
            await replica.kill()


async def test_a_collector_that_is_away_costs_log_lines_alone(installation: Variables) -> None:
    variables = {
        **installation,
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://someone:secret@127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }
    replica = await Replica.start(variables)
    caller = await Caller.connect(installation["AMQP_URL"], Topology(installation["SESSION_STORE_PREFIX"]))
    try:
        await replica.logged("broker.connected")
        await caller.call("session.count")
        await replica.logged("traces.not_exported")
        await caller.call("session.count")
        assert await replica.stop() == 0
        assert "secret" not in str(replica.log)
    finally:
        await caller.connection.close()
        await replica.kill()
