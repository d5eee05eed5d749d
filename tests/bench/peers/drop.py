"""Our own intake, consuming and dropping: the limit of the broker's side of the write path."""

import os
import sys
from time import monotonic, process_time

import orjson
import uvloop

from contracts.topology import Topology
from worker.broker.session import BrokerOptions, open_broker_session


async def main(wanted: int) -> None:
    """Receive and acknowledge `wanted` deliveries, and print the figures."""
    broker = await open_broker_session(BrokerOptions(lambda: os.environ["AMQP_URL"], "bench"))
    intake = await broker.open_intake([Topology().write_queue.name], prefetch=1000)
    taken, began, worked = 0, 0.0, 0.0
    while taken < wanted:
        batch = await intake.receive(500)
        began, worked = began or monotonic(), worked or process_time()
        taken += len(batch)
        await intake.acknowledge(batch[-1].tag, multiple=True)
    figures = {"events": taken, "seconds": monotonic() - began, "cpu": process_time() - worked}
    print(orjson.dumps(figures).decode())
    await broker.close()


uvloop.run(main(int(sys.argv[1])))
