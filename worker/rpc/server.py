"""Serves one intake of requests: admit, answer, reply, acknowledge."""

import asyncio
from dataclasses import dataclass

import structlog

from contracts.faults import ErrorReason, make_error
from contracts.limits import MAX_MESSAGE_BYTES
from contracts.signing import SignatureFault
from contracts.topology import Topology
from worker.broker.delivery import Delivery, Properties
from worker.broker.intake import Intake
from worker.broker.replies import Reply, ReplyChannel
from worker.broker.signatures import FAULT_MESSAGES, SignatureVerifier
from worker.instruments import Instruments
from worker.rpc.deadline import Deadline, patience_of
from worker.rpc.dispatch import Dispatcher, error_reply

log = structlog.get_logger()

"""More than the ids of `session.readMany`, each character written as two escapes, need."""


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Which requests are served: to whom a reply may go, how they are signed, and in how many seconds at most."""

    topology: Topology
    verifier: SignatureVerifier
    seconds: float


class RpcServer:
    """Answers the requests of one intake, many at a time, until the intake ends."""

    def __init__(
        self,
        intake: Intake,
        replies: ReplyChannel,
        dispatcher: Dispatcher,
        policy: RequestPolicy,
        instruments: Instruments,
    ) -> None:
        self._intake = intake
        self._replies = replies
        self._dispatcher = dispatcher
        self._policy = policy
        self._metrics = instruments.metrics
        self._traces = instruments.traces

    async def run(self) -> None:
        """Return once the intake has ended and everything received from it is answered.

        After a loss of the channel these answers reach no caller: the broker delivers the requests again.
        """
        serving: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while batch := await self._intake.receive(limit=1000):
                for delivery in batch:
                    task = tasks.create_task(self._serve(delivery))
                    serving.add(task)
                    task.add_done_callback(serving.discard)
            if not self._intake.is_open:
                for task in serving:
                    task.cancel()

    async def _serve(self, delivery: Delivery) -> None:
        properties = delivery.read_properties()
        if properties is None or not self._may_serve(properties):
            self._metrics.rpc_ignored.labels("no_reply_address").inc()
            log.warning("rpc.ignored", reason="no reply_to that may be answered, or no correlation_id")
        elif (deadline := self._deadline_of(delivery, properties)).left() > 0:
            await self._answer(delivery, properties, deadline)
        else:
            self._metrics.rpc_ignored.labels("past_deadline").inc()
            log.warning("rpc.ignored", reason="past its deadline", seconds=round(-deadline.left(), 1))
        await self._intake.acknowledge(delivery.tag)

    async def _answer(self, delivery: Delivery, properties: Properties, deadline: Deadline) -> None:
        with self._traces.serving(delivery, properties) as trace:
            body, sign = await self._reply_to(delivery, properties, deadline)
            if body is None:
                return
            reply = Reply(str(properties.reply_to), str(properties.correlation_id), body, sign=sign)
            with trace.sending([reply]) as traced:
                sent = await self._replies.send(traced)
            if not sent:
                self._metrics.replies_dropped.labels("rpc").inc()
                log.warning("rpc.reply_dropped")

    async def _reply_to(
        self, delivery: Delivery, properties: Properties, deadline: Deadline
    ) -> tuple[bytes | None, bool]:
        """Return the reply, and whether it may be signed: one to a request that was not verified may not."""
        if len(delivery.body) > MAX_MESSAGE_BYTES:
            return self._refuse(ErrorReason.INVALID_REQUEST, "the request passes 4 MiB"), False
        if fault := self._policy.verifier.refuse_request(delivery, properties):
            told = self._refuse(ErrorReason.BAD_SIGNATURE, f"{fault}: {FAULT_MESSAGES[fault]}")
            return told, fault is SignatureFault.EXPIRED
        return await self._dispatcher.reply_to(delivery.body, deadline), True

    def _refuse(self, reason: ErrorReason, message: str) -> bytes:
        """Return the reply to a request of which nothing is read, not even its id."""
        self._metrics.count_request("", reason, 0.0)
        return error_reply(None, make_error(reason, message))

    def _may_serve(self, properties: Properties) -> bool:
        return bool(properties.correlation_id) and self._policy.topology.may_reply_to(properties.reply_to)

    def _deadline_of(self, delivery: Delivery, properties: Properties) -> Deadline:
        deadline, ahead = patience_of(delivery, properties, self._policy.seconds)
        if ahead:
            direction = "ahead" if ahead > 0 else "behind"
            self._metrics.clocks_differ.labels(direction).inc()
            log.warning("rpc.clocks_differ", caller=direction, seconds=round(abs(ahead), 1))
        return deadline
