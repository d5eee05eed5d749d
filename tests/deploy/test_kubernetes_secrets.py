"""The secrets that the overlay `operators` names: each exists, with the login that its reader needs."""

import os
import re
from base64 import b64decode
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from yarl import URL

from contracts.access import USERS
from deploy.kubernetes.secrets import main
from sql.logins import LOGINS
from tests.deploy.test_kubernetes import PLACE, Resource, kustomized, kustomized_at
from worker.cli.roles import read_passwords

NAMED: Final = re.compile(r"session-store[a-z-]*")


@pytest.fixture
def secrets(capsys: pytest.CaptureFixture[str]) -> dict[str, Resource]:
    """Return the secrets that the command prints, by their names."""
    assert main([]) == 0
    return {each["metadata"]["name"]: each for each in read_secrets(capsys.readouterr().out)}


def read_secrets(printed: str) -> list[Resource]:
    """Return the secrets that were printed, with their data decoded."""
    secrets: list[Resource] = list(yaml.safe_load_all(printed))
    for each in secrets:
        each["data"] = {key: b64decode(value).decode() for key, value in each["data"].items()}
    return secrets


def named_in(value: Any) -> set[str]:
    """Return the secrets that a manifest names anywhere."""
    if isinstance(value, list):
        return {name for each in value for name in named_in(each)}
    if not isinstance(value, dict):
        return set()
    here = {
        inner["name"]
        for key, inner in value.items()
        if isinstance(inner, dict) and "secret" in key.lower() and "name" in inner
    }
    here |= {each["name"] for each in value.get("secretTargetRef", [])}
    return here | {name for inner in value.values() for name in named_in(inner)}


def test_every_secret_that_the_overlay_names_is_made(secrets: dict[str, Resource]) -> None:
    made = kustomized("overlays/operators")
    named = named_in(made)
    assert len(named) == 12
    issued = {each["spec"]["secretName"] for each in made if each["kind"] == "Certificate"}
    assert named & issued == {"session-store-certificates"}
    for_people = {"session-store-engine", "session-store-caller", "session-store-janitor"}
    assert set(secrets) == (named - issued) | for_people


def test_each_has_the_login_that_its_reader_needs(secrets: dict[str, Resource]) -> None:
    users = {
        (name, key): URL(url).user
        for name, each in secrets.items()
        for key, url in each["data"].items()
        if key.endswith("_URL")
    }
    assert users == {
        ("session-store", "DATABASE_URL"): "session_store_worker",
        ("session-store", "AMQP_URL"): "session_store_worker",
        ("session-store-prepare", "DATABASE_URL"): "session_store_migrator",
        ("session-store-prepare", "AMQP_URL"): "session_store_admin",
        ("session-store-roles", "DATABASE_URL"): "postgres",
        ("session-store-janitor", "DATABASE_URL"): "session_store_janitor",
        ("session-store-monitor", "AMQP_URL"): "session_store_monitor",
        ("session-store-engine", "AMQP_URL"): "session_store_engine",
        ("session-store-caller", "AMQP_URL"): "session_store_caller",
    }


def test_servers_are_told_the_passwords_that_logins_use(secrets: dict[str, Resource], tmp_path: Path) -> None:
    told = {name: each["data"] for name, each in secrets.items()}
    roles = told["session-store-roles"]
    for role in LOGINS:
        (tmp_path / role).write_text(roles[role])
    assert set(read_passwords(tmp_path)) == set(LOGINS)
    migrator, worker = (told[name] for name in ("session-store-prepare", "session-store"))
    assert URL(migrator["DATABASE_URL"]).password == roles["session_store_migrator"]
    assert told["session-store-postgres-migrator"]["password"] == roles["session_store_migrator"]
    assert URL(roles["DATABASE_URL"]).password == told["session-store-postgres-superuser"]["password"]
    assert URL(worker["DATABASE_URL"]).password == roles["session_store_worker"]
    assert URL(worker["AMQP_URL"]).password == told["session-store-rabbitmq-worker"]["password"]
    users = {each["username"]: each["password"] for name, each in told.items() if "-rabbitmq-" in name}
    assert set(users) == {user.name for user in USERS}
    assert len({*users.values(), *(roles[role] for role in LOGINS)}) == len(users) + len(LOGINS)


def test_the_topology_operator_sees_the_secrets_of_its_users(secrets: dict[str, Resource]) -> None:
    seen = {
        name
        for name, each in secrets.items()
        if each["metadata"].get("labels") == {"rabbitmq.com/topology-operator": "true"}
    }
    assert seen == {name for name in secrets if "-rabbitmq-" in name}


def test_every_path_of_the_installation_for_the_operator_is_its_own(
    secrets: dict[str, Resource],
) -> None:
    custom = [r for r in kustomized("overlays/operators") if r["apiVersion"].startswith("rabbitmq.com/")]
    names = [(r["kind"], r["metadata"]["name"]) for r in custom]
    assert len(set(names)) == len(names)
    assert all(NAMED.fullmatch(name) or re.fullmatch(r"[a-z0-9-]+", name) for _, name in names)
    bound = {(r["spec"]["vhost"], r["spec"]["destination"]) for r in custom if r["kind"] == "Binding"}
    assert ("session-store-rpc", "session.write") not in bound
    assert {("session-store", "session.write"), ("session-store-rpc", "session.rpc")} < bound
    assert {r["spec"]["deletionPolicy"] for r in custom if r["kind"] in ("Vhost", "Queue")} == {"retain"}


@pytest.mark.parametrize("component", ["retention", "partitions"])
def test_an_overlay_that_names_no_image_gets_this_release(component: str, tmp_path: Path) -> None:
    words = {"resources": "base", "components": f"components/{component}"}
    told = {kind: [os.path.relpath(PLACE / name, tmp_path.resolve())] for kind, name in words.items()}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(told))
    found = re.findall(r"'image': '([^']+)'", str(kustomized_at(tmp_path)))
    assert len(set(found)) == 1
    assert found[0].startswith("session-store:")
