"""The manifests' component for signed messages, with the base in a person's overlay."""

import os
from pathlib import Path

import pytest
import yaml

from tests.deploy.test_kubernetes import PLACE, Resource, kustomized, logins


@pytest.fixture
def signing(tmp_path: Path) -> list[Resource]:
    """Return the manifests of an overlay with the component in it."""
    words = {"resources": "base", "components": "components/signing"}
    listed = {kind: [os.path.relpath(PLACE / name, tmp_path.resolve())] for kind, name in words.items()}
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({**head, **listed}))
    return kustomized(str(tmp_path))


def test_the_component_gives_workers_the_keys_and_a_mode_that_refuses_nothing_yet(
    signing: list[Resource],
) -> None:
    assert set(logins(signing)) == {
        "session-store",
        "session-store-certificates",
        "session-store-prepare",
        "session-store-roles",
        "session-store-signing",
    }
    (worker,) = [each["spec"]["template"]["spec"] for each in signing if each["kind"] == "Deployment"]
    given = {each["name"]: each.get("value") for each in worker["containers"][0]["env"]}
    assert given["SESSION_STORE_SIGNATURES"] == "warn"
    assert given["SESSION_STORE_SECRETS_DIR"] == worker["containers"][0]["volumeMounts"][0]["mountPath"]
