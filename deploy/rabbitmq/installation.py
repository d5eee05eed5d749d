"""An installation's virtual hosts for RabbitMQ to import, with the permissions of each user.

`python -m deploy.rabbitmq.installation` writes the file, `--check` compares. The users come first, see users.py.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from contracts.access import EVENTS_VHOST, RPC_VHOST, permissions_in, routing_keys_of
from contracts.topology import NEVER_REACHED, REPLY_QUEUE_PREFIX, Topology
from deploy.generated import write_or_check
from deploy.rabbitmq.generate import Definitions, definitions

PAGE: Final = Path(__file__).parent / "installation.json"
VHOSTS: Final = (EVENTS_VHOST, RPC_VHOST)
VHOST_LIMITS: Final = {"max-connections": 500, "max-queues": 2000}
GIB: Final = 1 << 30
REFUSE: Final = "reject-publish"

Fields = dict[str, Any]


def installation(topology: Topology) -> Definitions:
    """Return both virtual hosts: in that of the callers `sessions` leads to requests alone."""
    requests = (topology.rpc_queue, topology.dead_queue)
    parts: list[Definitions] = [
        definitions(topology, EVENTS_VHOST),
        definitions(topology, RPC_VHOST, bound=requests),
        *(_rules(topology, vhost) for vhost in VHOSTS),
    ]
    kinds = dict.fromkeys(kind for part in parts for kind in part)
    return {kind: [each for part in parts for each in part.get(kind, [])] for kind in kinds}


def _rules(topology: Topology, vhost: str) -> Definitions:
    permitted = permissions_in(vhost, topology)
    return {
        "permissions": [
            {"user": user, "vhost": vhost, "configure": may.configure, "write": may.write, "read": may.read}
            for user, may in permitted.items()
        ],
        "topic_permissions": [
            {"user": user, "vhost": vhost, "exchange": topology.sessions.name, "write": keys, "read": "^$"}
            for user in permitted
            if (keys := routing_keys_of(user))
        ],
        "parameters": [
            {"component": "vhost-limits", "name": "limits", "vhost": vhost, "value": VHOST_LIMITS}
        ],
        "policies": _policies(topology, vhost),
    }


def _policies(topology: Topology, vhost: str) -> list[Fields]:
    """Return how much may wait where. A full queue of events or dead letters refuses: nothing is dropped.

    The queue of dead letters has its limit of returns as an argument too. That of an earlier release has none: the
    pattern fits all names that begin as its name.
    """
    events = [each.name for each in (topology.write_queue, topology.delete_queue, topology.erase_queue)]
    waiting = {
        "events": (f"^({'|'.join(events)})$", {"max-length-bytes": 8 * GIB}),
        "dead-letters": (
            f"^{topology.former_dead_queue.name}",
            {"max-length-bytes": 2 * GIB, "overflow": REFUSE, "delivery-limit": NEVER_REACHED},
        ),
        "requests": (f"^{topology.rpc_queue.name}$", {"max-length-bytes": GIB}),
        "answers": (f"^{REPLY_QUEUE_PREFIX}", {"max-length-bytes": GIB // 4}),
    }
    return [
        {
            "vhost": vhost,
            "name": f"session-store-{name}",
            "pattern": pattern.replace(".", "[.]"),
            "apply-to": "queues",
            "priority": 0,
            "definition": definition,
        }
        for name, (pattern, definition) in waiting.items()
    ]


def main(words: list[str]) -> int:
    """Return 0 when the file has, or now has, the content that this program writes."""
    return write_or_check(PAGE, json.dumps(installation(Topology()), indent=1) + "\n", words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
