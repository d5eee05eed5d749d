"""An installation's virtual hosts, users and rights for RabbitMQ's topology operator, from deploy/rabbitmq.

`python -m deploy.kubernetes.generate` writes the file, `--check` compares. secrets.py makes the users' passwords.
"""

import sys
from pathlib import Path
from typing import Any, Final

import yaml

from contracts.access import RPC_VHOST, USERS, User
from contracts.topology import Topology
from deploy.generated import write_or_check
from deploy.rabbitmq.installation import VHOST_LIMITS, installation

CLUSTER: Final = "session-store-rabbitmq"
PAGE: Final = Path(__file__).parent / "components" / "rabbitmq" / "topology.yaml"
HEAD: Final = (
    "# Written by `python -m deploy.kubernetes.generate` from contracts/topology.py and access.py.\n"
)
KEPT: Final = {"deletionPolicy": "retain"}
"""The deletion of a resource keeps the queue or the virtual host, and the events in it."""

Fields = dict[str, Any]


def resources(topology: Topology) -> list[Fields]:
    """Return a resource of the operator for each thing in `deploy/rabbitmq/installation.json`, and for each user."""
    made = installation(topology)
    return [
        *(_resource("Vhost", each["name"], {**each, **KEPT, "limits": _limits()}) for each in made["vhosts"]),
        *(_resource("User", user.name, _user(user)) for user in USERS),
        *(_in_vhost("Exchange", each, each["name"], _exchange(each)) for each in made["exchanges"]),
        *(_in_vhost("Queue", each, each["name"], _queue(each)) for each in made["queues"]),
        *(_in_vhost("Binding", each, each["destination"], _binding(each)) for each in made["bindings"]),
        *(_in_vhost("Permission", each, each["user"], _permission(each)) for each in made["permissions"]),
        *(
            _in_vhost("TopicPermission", each, each["user"], _topic_permission(each))
            for each in made["topic_permissions"]
        ),
        *(_in_vhost("Policy", each, each["name"], _policy(each)) for each in made["policies"]),
    ]


def secret_of(user: str) -> str:
    """Return the name of the secret with the broker's user and its password."""
    return f"{CLUSTER}-{user.removeprefix('session_store_')}"


def _limits() -> Fields:
    return {"connections": VHOST_LIMITS["max-connections"], "queues": VHOST_LIMITS["max-queues"]}


def _user(user: User) -> Fields:
    tags = {"tags": list(user.tags)} if user.tags else {}
    limits = {"connections": user.max_connections, "channels": user.max_channels}
    return {**tags, "importCredentialsSecret": {"name": secret_of(user.name)}, "limits": limits}


def _exchange(exchange: Fields) -> Fields:
    return {key: exchange[key] for key in ("name", "type", "durable")}


def _queue(queue: Fields) -> Fields:
    """Return the queue's fields; the operator makes the argument x-queue-type of `type`."""
    arguments = dict(queue["arguments"])
    kind = arguments.pop("x-queue-type", None)
    fields: Fields = {"name": queue["name"], "durable": True, **KEPT}
    return {**fields, **({"type": kind} if kind else {}), **({"arguments": arguments} if arguments else {})}


def _binding(binding: Fields) -> Fields:
    return {
        "source": binding["source"],
        "destination": binding["destination"],
        "destinationType": "queue",
        "routingKey": binding["routing_key"],
    }


def _permission(permission: Fields) -> Fields:
    may = {right: permission[right] for right in ("configure", "write", "read")}
    return {"user": permission["user"], "permissions": may}


def _topic_permission(permission: Fields) -> Fields:
    may = {key: permission[key] for key in ("exchange", "write", "read")}
    return {"user": permission["user"], "permissions": may}


def _policy(policy: Fields) -> Fields:
    return {
        "name": policy["name"],
        "pattern": policy["pattern"],
        "applyTo": policy["apply-to"],
        "priority": policy["priority"],
        "definition": policy["definition"],
    }


def _in_vhost(kind: str, defined: Fields, name: str, fields: Fields) -> Fields:
    """Return a resource in the virtual host of a definition: the same name may be in both."""
    vhost = defined["vhost"]
    return _resource(kind, f"rpc.{name}" if vhost == RPC_VHOST else name, {**fields, "vhost": vhost})


def _resource(kind: str, name: str, fields: Fields) -> Fields:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": {"name": name.replace(".", "-").replace("_", "-")},
        "spec": {**fields, "rabbitmqClusterReference": {"name": CLUSTER}},
    }


def main(words: list[str]) -> int:
    """Return 0 when the file has, or now has, the content that this program writes."""
    text = HEAD + yaml.safe_dump_all(resources(Topology()), sort_keys=False)
    return write_or_check(PAGE, text, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
