"""The topology as RabbitMQ imports it: `python -m deploy.rabbitmq.generate` writes it, `--check` compares."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from contracts.topology import Exchange, Queue, Topology
from deploy.generated import write_or_check

PAGE: Final = Path(__file__).parent / "definitions.json"
VHOST: Final = "/"


Definitions = dict[str, list[dict[str, Any]]]


def definitions(topology: Topology, vhost: str = VHOST, bound: Iterable[Queue] | None = None) -> Definitions:
    """Return exchanges, queues, and the bindings of the `bound` queues, by default of all."""
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [_exchange(each, vhost) for each in topology.exchanges],
        "queues": [_queue(each, vhost) for each in topology.queues],
        "bindings": [_binding(each, vhost) for each in (topology.queues if bound is None else bound)],
    }


def _exchange(exchange: Exchange, vhost: str) -> dict[str, Any]:
    return {
        "name": exchange.name,
        "vhost": vhost,
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _queue(queue: Queue, vhost: str) -> dict[str, Any]:
    return {
        "name": queue.name,
        "vhost": vhost,
        "durable": True,
        "auto_delete": False,
        "arguments": dict(queue.arguments),
    }


def _binding(queue: Queue, vhost: str) -> dict[str, Any]:
    return {
        "source": queue.exchange,
        "vhost": vhost,
        "destination": queue.name,
        "destination_type": "queue",
        "routing_key": queue.binding_key,
        "arguments": {},
    }


def main(words: list[str]) -> int:
    """Return 0 when the file has, or now has, the content that this program writes."""
    text = json.dumps(definitions(Topology()), indent=1) + "\n"
    return write_or_check(PAGE, text, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
