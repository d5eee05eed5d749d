"""The topology for RabbitMQ's topology operator: `python -m deploy.kubernetes.generate`, `--check` compares."""

import sys
from pathlib import Path
from typing import Final

import yaml

from contracts.topology import Queue, Topology
from deploy.generated import write_or_check

CLUSTER: Final = "session-store-rabbitmq"
PAGE: Final = Path(__file__).parent / "components" / "rabbitmq" / "topology.yaml"
HEAD: Final = "# Written by `python -m deploy.kubernetes.generate` from contracts/topology.py.\n"

Fields = dict[str, object]


def resources(topology: Topology) -> list[Fields]:
    """Return one resource of the operator for each exchange, queue and binding."""
    return [
        *(_resource("Exchange", each.name, _exchange(each.name)) for each in topology.exchanges),
        *(_resource("Queue", each.name, _queue(each)) for each in topology.queues),
        *(_resource("Binding", each.name, _binding(each)) for each in topology.queues),
    ]


def _exchange(name: str) -> Fields:
    return {"name": name, "type": "topic", "durable": True}


def _queue(queue: Queue) -> Fields:
    """Return the queue's fields; the operator makes the argument x-queue-type of `type`.

    A resource that somebody deletes leaves the queue, and the events in it, where they are.
    """
    arguments = dict(queue.arguments)
    kind = arguments.pop("x-queue-type", None)
    fields: Fields = {"name": queue.name, "durable": True, "deletionPolicy": "retain"}
    return {**fields, **({"type": kind} if kind else {}), **({"arguments": arguments} if arguments else {})}


def _binding(queue: Queue) -> Fields:
    return {
        "source": queue.exchange,
        "destination": queue.name,
        "destinationType": "queue",
        "routingKey": queue.binding_key,
    }


def _resource(kind: str, name: str, fields: Fields) -> Fields:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": {"name": name.replace(".", "-")},
        "spec": {**fields, "rabbitmqClusterReference": {"name": CLUSTER}},
    }


def main(words: list[str]) -> int:
    """Return 0 when the file is, or now is, what this program writes."""
    text = HEAD + yaml.safe_dump_all(resources(Topology()), sort_keys=False)
    return write_or_check(PAGE, text, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
