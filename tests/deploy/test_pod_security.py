"""The pods meet Kubernetes' level *restricted*; the rules are listed here one by one."""

import json
from typing import Any, Final

import pytest

from tests.deploy.test_kubernetes import Resource, kustomized

REACHED: Final = {53, 4318, 5432, 5671, 5672, 6432}
"""The ports of DNS, a collector of traces, PostgreSQL, RabbitMQ and PgBouncer."""
VOLUMES: Final = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.fixture(scope="module", params=["base", "overlays/operators"])
def resources(request: pytest.FixtureRequest) -> list[Resource]:
    return kustomized(request.param)


def pods(resources: list[Resource]) -> list[dict[str, Any]]:
    found = [r["spec"]["template"]["spec"] for r in resources if r["kind"] in ("Deployment", "Job")]
    assert len(found) == 2
    return found


def test_every_pod_meets_the_restricted_level(resources: list[Resource]) -> None:
    assert_restricted(pods(resources))


def assert_restricted(pods: list[dict[str, Any]]) -> None:
    """Assert that pods meet the level's rules."""
    for pod in pods:
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {kind for volume in pod["volumes"] for kind in volume.keys() - {"name"}} <= VOLUMES
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context.keys() & {"privileged", "procMount", "runAsUser", "seccompProfile"}
            assert all("hostPort" not in port for port in container.get("ports", []))


def test_the_namespace_enforces_the_restricted_level(resources: list[Resource]) -> None:
    (namespace,) = [r for r in resources if r["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_pod_gets_a_token_of_the_cluster(resources: list[Resource]) -> None:
    assert [pod["automountServiceAccountToken"] for pod in pods(resources)] == [False, False]
    assert "serviceAccountToken" not in json.dumps(pods(resources))


def test_no_pod_has_a_place_to_write(resources: list[Resource]) -> None:
    for pod in pods(resources):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert [mount["readOnly"] for mount in container["volumeMounts"]] == [True, True]


def test_a_pod_is_reached_by_prometheus_and_reaches_servers_alone(
    resources: list[Resource],
) -> None:
    (policy,) = [r["spec"] for r in resources if r["kind"] == "NetworkPolicy"]
    labels = [
        r["spec"]["template"]["metadata"]["labels"] for r in resources if r["kind"] in ("Deployment", "Job")
    ]
    assert all(policy["podSelector"]["matchLabels"].items() <= each.items() for each in labels)
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert [port["port"] for rule in policy["ingress"] for port in rule["ports"]] == [9464]
    reached = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert reached == REACHED
