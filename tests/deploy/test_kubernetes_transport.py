"""The overlay `operators`: hosts that resolve in every namespace, and no plain text to any server."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

import pytest
import yaml
from yarl import URL

from deploy.kubernetes.secrets import main
from tests.deploy.test_kubernetes import Resource, kustomized
from tests.deploy.test_kubernetes_secrets import read_secrets

NAMESPACE: Final = "session-store"
TLS_OF: Final = {"postgresql": ("sslmode", "sslrootcert"), "amqps": ("cafile",)}
"""The options of a URL that ask for TLS and name the authority, by its scheme."""


@pytest.fixture(scope="module")
def overlay() -> list[Resource]:
    return kustomized("overlays/operators")


@pytest.fixture
def urls(capsys: pytest.CaptureFixture[str]) -> list[URL]:
    """Return every URL of the secrets."""
    assert main([]) == 0
    secrets = read_secrets(capsys.readouterr().out)
    found = [value for each in secrets for key, value in each["data"].items() if key.endswith("_URL")]
    assert len(found) == 9
    return [URL(each) for each in found]


def one(resources: list[Resource], kind: str, name: str = "") -> dict[str, Any]:
    """Return the specification of the only resource with this kind, or with this kind and name."""
    (found,) = [
        each["spec"]
        for each in resources
        if each["kind"] == kind and (not name or each["metadata"]["name"] == name)
    ]
    assert isinstance(found, dict)
    return found


def services(resources: list[Resource]) -> dict[str, int]:
    """Return the host and port of each server, by its operator's name for the service in the namespace."""
    by_kind = {each["kind"]: each["metadata"] for each in resources}
    broker, database = by_kind["RabbitmqCluster"], by_kind["Cluster"]
    assert {broker["namespace"], database["namespace"]} == {NAMESPACE}
    return {
        f"{broker['name']}.{NAMESPACE}.svc": 5671,
        f"{database['name']}-rw.{NAMESPACE}.svc": 5432,
    }


def test_every_url_names_a_service_with_its_namespace(overlay: list[Resource], urls: list[URL]) -> None:
    """A bare service name resolves only in its own namespace, and KEDA and engines are in others."""
    assert {(each.host, each.port) for each in urls} == set(services(overlay).items())
    named = re.findall(r"https?://([^:/\s]+)", yaml.safe_dump_all(overlay))
    assert named
    assert all(host.endswith(".svc") and host.count(".") == 2 for host in named)


def test_every_url_asks_for_tls_by_the_authority_that_the_pods_see(
    overlay: list[Resource], urls: list[URL]
) -> None:
    pods = [each["spec"]["template"]["spec"] for each in overlay if each["kind"] in ("Deployment", "Job")]
    containers = [each for pod in pods for each in [*pod.get("initContainers", []), *pod["containers"]]]
    places = {
        mount["mountPath"]
        for each in containers
        for mount in each["volumeMounts"]
        if mount["name"] == "certificates"
    }
    (place,) = places
    assert all("certificates" in {mount["name"] for mount in each["volumeMounts"]} for each in containers)
    for url in urls:
        asked = dict(parse_qsl(url.query_string))
        assert set(asked) == set(TLS_OF[url.scheme])
        assert asked.get("sslmode", "verify-full") == "verify-full"
        assert asked[TLS_OF[url.scheme][-1]] == f"{place}/ca.crt"


def test_nothing_is_told_to_allow_plain_text(overlay: list[Resource]) -> None:
    assert "ALLOW_PLAIN_TEXT" not in yaml.safe_dump_all(overlay)


def test_no_server_takes_plain_text(overlay: list[Resource]) -> None:
    assert one(overlay, "RabbitmqCluster")["tls"]["disableNonTLSListeners"] is True
    assert one(overlay, "Cluster")["postgresql"]["pg_hba"] == ["hostnossl all all all reject"]


def test_each_server_shows_a_certificate_for_the_host_of_the_urls(overlay: list[Resource]) -> None:
    """cert-manager puts the authority beside each certificate that it issues: all have the same authority."""
    broker, database = one(overlay, "RabbitmqCluster")["tls"], one(overlay, "Cluster")["certificates"]
    shown = {
        broker["secretName"],
        broker["caSecretName"],
        database["serverTLSSecret"],
        database["serverCASecret"],
    }
    issued = {each["spec"]["secretName"]: each["spec"] for each in overlay if each["kind"] == "Certificate"}
    assert len(shown) == 2
    covered = {name for secret in shown for name in issued[secret]["dnsNames"]}
    assert set(services(overlay)) <= covered
    issuers = {issued[secret]["issuerRef"]["name"] for secret in (*shown, "session-store-certificates")}
    (issuer,) = issuers
    assert one(overlay, "Issuer", issuer) == {"ca": {"secretName": "session-store-ca"}}
    assert issued["session-store-ca"]["isCA"] is True


def test_keda_asks_for_tls_and_believes_the_authority(
    overlay: list[Resource], capsys: pytest.CaptureFixture[str]
) -> None:
    """KEDA takes `tls` and `ca` only from secrets, and uses neither unless `tls` is `enable`."""
    told = {each["parameter"]: each for each in one(overlay, "TriggerAuthentication")["secretTargetRef"]}
    assert (told["ca"]["name"], told["ca"]["key"]) == ("session-store-certificates", "ca.crt")
    assert main([]) == 0
    secrets = {each["metadata"]["name"]: each for each in read_secrets(capsys.readouterr().out)}
    monitor = secrets[told["tls"]["name"]]["data"]
    assert monitor[told["tls"]["key"]] == "enable"
    assert monitor[told["host"]["key"]].startswith("amqps://session_store_monitor:")
