"""`make demo`: replays the samples through a real worker on private servers and judges the result."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

import aio_pika
import asyncpg
import orjson
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity

from contracts.topology import Topology
from deploy.demo.engine import Engine, Json, NoAnswer
from deploy.demo.report import Report
from deploy.demo.verdict import SAMPLES, Expected, Verdict, compare
from deploy.local.endpoints import Endpoints
from deploy.local.errors import LocalServerError
from deploy.local.instance import LOCAL, servers_of
from deploy.local.worker import WorkerProcess

INSTANCE = "demo"
AT_ONCE = 50
TOPOLOGY = Topology()


async def replay(engine: Engine, worker: WorkerProcess, report: Report, *, kill_halfway: bool) -> list[Json]:
    """Publish every sample event in order and return the confirmations; perhaps with a crash in between."""
    lines = (SAMPLES / "events.ndjson").read_bytes().splitlines()
    places = asyncio.Semaphore(AT_ONCE)
    with report.progress() as progress:
        bar = progress.add_task("events", total=len(lines))

        async def publish(number: int, line: bytes) -> Json:
            async with places:
                if kill_halfway and number == len(lines) // 2:
                    worker.kill()
                    await asyncio.to_thread(worker.start)
                confirmation = await engine.publish(line, orjson.loads(line)["type"])
                progress.advance(bar)
                return confirmation

        return list(await asyncio.gather(*(publish(number, line) for number, line in enumerate(lines))))


async def ask(engine: Engine, expected: Expected, report: Report) -> None:
    """Show the requests: a session, a query, a count, the statistics."""
    session_id = next(iter(expected.sessions))
    record = (await engine.call("session.read", sessionId=session_id))["record"]
    assert isinstance(record, dict)  # noqa: S101 - the verdict tells when it is missing
    report.session(record)
    page = await engine.call("session.query", filter={"difficulty": "hard"}, options={"limit": 3})
    assert isinstance(page["records"], list)  # noqa: S101 - the contract's result
    report.page("Query: the three latest hard encounters", page["records"])
    count = await engine.call("session.count", filter={"difficulty": "hard", "completed": True})
    report.figures(count, await engine.call("session.stats"))


async def judge(engine: Engine, expected: Expected, report: Report) -> Verdict:
    """Read everything back over the wire and compare."""
    letters = await engine.read_dead_letters()
    report.dead_letters(letters)
    codes = {str(orjson.loads(letter.body)["id"]): str(letter.headers["x-code"]) for letter in letters}
    ids = [*expected.sessions, *expected.deleted]
    answers = await asyncio.gather(*(engine.call("session.read", sessionId=session_id) for session_id in ids))
    records = {session_id: answer["record"] for session_id, answer in zip(ids, answers, strict=True)}
    return compare(
        expected, {key: value if isinstance(value, dict) else None for key, value in records.items()}, codes
    )


async def clear(endpoints: Endpoints) -> None:
    """Empty the database and every queue.

    The queues stay: a quorum queue that is declared right after its deletion may meet its own remains.
    """
    database = await asyncpg.connect(endpoints.database_url)
    await database.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    await database.close()
    async with await aio_pika.connect(endpoints.amqp_url) as connection:
        for queue in TOPOLOGY.queues:
            with suppress(ChannelNotFoundEntity):
                channel = await connection.channel()
                await (await channel.get_queue(queue.name)).purge()


async def run(report: Report, *, kill_halfway: bool) -> Verdict:
    """Run the demo from nothing to the verdict."""
    report.step("starting private PostgreSQL and RabbitMQ")
    servers = servers_of(INSTANCE)
    endpoints = servers.start()
    await clear(endpoints)
    worker = WorkerProcess(LOCAL / INSTANCE / "worker", servers)
    report.step("session-store migrate, topology, run")
    worker.start()
    try:
        async with Engine(endpoints.amqp_url, TOPOLOGY) as engine:
            killed = ", killing the worker half way" if kill_halfway else ""
            report.step(f"replaying samples/events.ndjson{killed}")
            expected = Expected.load()
            report.outcomes(await replay(engine, worker, report, kill_halfway=kill_halfway))
            await ask(engine, expected, report)
            return await judge(engine, expected, report)
    finally:
        worker.stop()


def main(arguments: Sequence[str]) -> int:
    """Return the exit status: 0 when the result is the expected one."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--kill-worker-halfway", action="store_true", help="SIGKILL it in the middle of the replay"
    )
    options = parser.parse_args(arguments)
    report, started = Report(), time.monotonic()
    try:
        verdict = asyncio.run(run(report, kill_halfway=options.kill_worker_halfway))
    except (LocalServerError, NoAnswer, AMQPError, OSError, asyncpg.PostgresError) as error:
        print(f"demo: {error}; the worker's log is in {LOCAL / INSTANCE / 'worker'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    report.verdict(verdict, time.monotonic() - started)
    return 1 if verdict.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
