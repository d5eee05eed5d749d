"""The doctor reads a broker's policies as RabbitMQ prints them, and reports their effect on our queues."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.topology import NEVER_REACHED, Topology
from deploy.rabbitmq.installation import installation
from worker.doctor.broker.policies import check_policies
from worker.doctor.finding import Finding, State

TOPOLOGY = Topology()


def policy(pattern: str, definition: dict[str, Any], **more: Any) -> dict[str, Any]:
    listed = {"vhost": "/", "name": "theirs", "pattern": pattern, "apply-to": "queues", "priority": 0}
    return {**listed, "definition": definition, **more}


def examine(tmp_path: Path, *policies: dict[str, Any], vhost: str = "/") -> Finding:
    path = tmp_path / "policies.json"
    path.write_text(json.dumps(policies))
    return check_policies(path, TOPOLOGY, vhost)


@pytest.mark.parametrize("as_text", [False, True])
def test_a_lower_limit_of_the_dead_letters_is_wrong(tmp_path: Path, as_text: bool) -> None:
    definition = {"delivery-limit": 20}
    listed = policy("^session", definition)
    if as_text:
        listed["definition"] = json.dumps(definition)
    found = examine(tmp_path, listed)
    assert found.state is State.ERROR
    assert "has session.dead.letters deliver a message 20 times, then drops it" in found.message
    assert found.fix.startswith("rabbitmqctl clear_policy --vhost / theirs")


def test_a_lower_limit_of_events_is_a_warning(tmp_path: Path) -> None:
    found = examine(tmp_path, policy("^session[.]write$", {"delivery-limit": 5}))
    assert found.state is State.WARNING
    assert "then dead-letters it" in found.message


@pytest.mark.parametrize("definition", [{"message-ttl": 1000}, {"expires": 1000}])
def test_what_drops_events_is_wrong(tmp_path: Path, definition: dict[str, int]) -> None:
    assert examine(tmp_path, policy("write", definition)).state is State.ERROR


@pytest.mark.parametrize(
    "harmless",
    [
        policy("^session", {"delivery-limit": NEVER_REACHED}),
        policy("^session", {"delivery-limit": -1}),
        policy("^session", {"max-length-bytes": 1}),
        policy("^other", {"delivery-limit": 1}),
        policy("^session", {"delivery-limit": 1}, vhost="elsewhere"),
        policy("^session", {"message-ttl": 1}, **{"apply-to": "exchanges"}),
        policy("rpc", {"message-ttl": 1}),
    ],
)
def test_others_are_fine(tmp_path: Path, harmless: dict[str, Any]) -> None:
    assert examine(tmp_path, harmless).state is State.OK


def test_only_the_policy_with_the_highest_priority_applies(tmp_path: Path) -> None:
    low = policy("dead", {"delivery-limit": 1}, name="low", priority=1)
    high = policy("dead", {"delivery-limit": NEVER_REACHED}, name="high", priority=2)
    assert examine(tmp_path, low, high).state is State.OK
    assert examine(tmp_path, {**low, "priority": 3}, high).state is State.ERROR


def test_our_own_policies_are_fine(tmp_path: Path) -> None:
    ours = installation(TOPOLOGY)["policies"]
    assert {
        examine(tmp_path, *ours, vhost=vhost).state for vhost in ("session-store", "session-store-rpc")
    } == {State.OK}


@pytest.mark.parametrize(
    "text", ["", "{", "3", "[3]", '[{"definition": {}}]', '[{"definition": "x", "pattern": "x"}]']
)
def test_what_is_no_list_of_policies_is_said_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policies.json"
    path.write_text(text)
    found = check_policies(path, TOPOLOGY, "/")
    assert found.state is State.ERROR
    assert "is no list of policies" in found.message
    assert found.fix.endswith("--vhost / --formatter json | session-store doctor --policies -")
