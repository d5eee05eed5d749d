"""The commands that the page on Kubernetes prints, compared with the manifests; no cluster is needed."""

import os
import re
import shlex
from pathlib import Path
from typing import Final

import pytest
import yaml

from deploy.kubernetes.secrets import main
from deploy.local.instance import PROJECT
from deploy.local.postgres import PostgresServer
from tests.deploy.test_kubernetes import (
    PLACE,
    VERSIONS,
    Resource,
    assert_fits,
    kustomized,
    kustomized_at,
    kustomized_with,
)
from tests.deploy.test_kubernetes_secrets import named_in, read_secrets
from tests.support.programs.command import run_command
from tests.support.programs.page import commands_of

PAGE: Final = "docs/install-kubernetes.md"
OWN: Final = "Kubernetes with servers of your own"
OPERATORS: Final = "Kubernetes with the operators"
UPGRADE: Final = "Upgrade on Kubernetes"
PASSWORD: Final = "Change a password on Kubernetes"
EVERY: Final = (OWN, OPERATORS, UPGRADE, PASSWORD)
YAML: Final = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE: Final = re.compile(r"deploy/[a-z./-]+")


def lines_of(heading: str) -> list[str]:
    """Return the commands under a heading, one a line."""
    return [line for block in commands_of(PAGE, heading) for line in block.splitlines()]


def words_of_secrets(heading: str) -> list[str]:
    """Return the arguments with which the secrets are printed."""
    (line,) = [line for line in lines_of(heading) if "deploy.kubernetes.secrets" in line]
    words = shlex.split(line.partition("|")[0])
    return words[words.index("deploy.kubernetes.secrets") + 1 :]


def printed_secrets(
    heading: str, passwords: Path, capsys: pytest.CaptureFixture[str]
) -> dict[str, dict[str, str]]:
    """Return the secrets that the printed command prints, by their names."""
    (passwords / "superuser").write_text("a b/c@d:e%f\n")
    assert main([word.replace("$PASSWORDS", str(passwords)) for word in words_of_secrets(heading)]) == 0
    return {each["metadata"]["name"]: each["data"] for each in read_secrets(capsys.readouterr().out)}


def created_by_kubectl(heading: str) -> set[str]:
    """Return the secrets of the namespace that the printed commands create by name."""
    found = (
        re.search(r"create secret generic (\S+) --namespace session-store ", line)
        for line in lines_of(heading)
    )
    return {each[1] for each in found if each}


def test_the_base_finds_every_secret_that_the_commands_before_it_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = printed_secrets(OWN, tmp_path, capsys)
    assert named_in(kustomized("base")) <= made.keys() | created_by_kubectl(OWN)
    assert "--superuser-password" in words_of_secrets(OWN)


def test_the_nightly_jobs_find_their_secrets_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = printed_secrets(OWN, tmp_path, capsys)
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    named = named_in(kustomized_with(overlay, "components/retention", "components/partitions"))
    assert "session-store-janitor" in named
    assert named <= made.keys() | created_by_kubectl(OWN)


def test_printing_them_again_keeps_the_passwords_and_takes_a_new_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = printed_secrets(PASSWORD, tmp_path, capsys)
    assert printed_secrets(PASSWORD, tmp_path, capsys) == before
    assert words_of_secrets(PASSWORD) == words_of_secrets(OWN)
    for server in ("postgres", "rabbitmq"):
        (tmp_path / server / "session_store_worker").unlink()
    after = printed_secrets(PASSWORD, tmp_path, capsys)
    changed = {(name, key) for name, keys in after.items() for key in keys if before[name][key] != keys[key]}
    assert changed == {
        ("session-store", "DATABASE_URL"),
        ("session-store", "AMQP_URL"),
        ("session-store-roles", "session_store_worker"),
    }


def test_the_superusers_password_is_quoted_in_its_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = printed_secrets(OWN, tmp_path, capsys)["session-store-roles"]["DATABASE_URL"]
    assert url.startswith("postgresql://postgres:a%20b%2Fc%40d%3Ae%25f@db.example:5432/sessions?")


def test_servers_of_ones_own_need_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--postgres", "db.example:5432/sessions"])
    assert "need all of --passwords, --postgres" in capsys.readouterr().err


@pytest.mark.parametrize("heading", [OWN, OPERATORS])
def test_the_namespace_is_there_with_its_label_before_anything_is_made_in_it(heading: str) -> None:
    lines = [line for line in lines_of(heading) if "kubectl" in line]
    assert lines[0] == "kubectl apply --filename deploy/kubernetes/base/namespace.yaml"
    assert not [line for line in lines if "create namespace" in line]


@pytest.mark.parametrize("name", ["base", "overlays/operators"])
def test_the_namespace_is_the_first_of_what_is_applied_at_once(name: str, tmp_path: Path) -> None:
    assert [each["kind"] for each in kustomized(name)].index("Namespace") == 0
    assert kustomized_with(tmp_path, "components/retention")[0]["kind"] == "Namespace"
    assert yaml.safe_load((PLACE / name / "kustomization.yaml").read_text())["sortOptions"] == {
        "order": "legacy"
    }


@pytest.mark.parametrize("heading", EVERY)
def test_every_file_that_a_command_names_is_there_and_every_wait_ends(heading: str) -> None:
    for line in lines_of(heading):
        for file in FILE.findall(line):
            assert (PROJECT / file).exists(), line
        assert ("--timeout=" in line) == any(word in line for word in ("kubectl wait", "rollout status")), (
            line
        )


@pytest.mark.parametrize("heading", EVERY)
def test_what_a_command_waits_for_is_in_the_manifests(heading: str) -> None:
    kinds = {"job": "Job", "deployment": "Deployment"}
    made = {(each["kind"], each["metadata"]["name"]) for each in kustomized("base")}
    waited = [
        (kinds[kind], name)
        for line in lines_of(heading)
        for kind, name in re.findall(r"(job|deployment)/([a-z-]+)", line)
    ]
    assert ("Job", "session-store-prepare") in waited
    assert set(waited) <= made


def test_an_upgrade_deletes_the_job_before_it_is_applied_again() -> None:
    for heading in (UPGRADE, PASSWORD):
        text = "\n".join(lines_of(heading))
        deleted = text.index("kubectl delete job session-store-prepare ")
        assert deleted < text.index("kubectl apply --kustomize") < text.index("kubectl wait job/")


@pytest.mark.parametrize("version", VERSIONS)
def test_the_printed_manifests_are_what_kubernetes_takes(tmp_path: Path, version: str) -> None:
    overlay, policy = YAML.findall((PROJECT / PAGE).read_text(encoding="utf-8"))
    deploy = os.path.relpath(PROJECT / "deploy", tmp_path.resolve())  # kustomize takes only relative paths
    (tmp_path / "kustomization.yaml").write_text(overlay.replace("../deploy", deploy))
    resources = kustomized_at(tmp_path)
    assert "registry.example/session-store:0.1.0" in yaml.safe_dump(resources)
    assert_fits([*resources, yaml.safe_load(policy)], tmp_path, version)


def test_the_printed_policy_opens_a_port_for_the_pods_of_the_base() -> None:
    _, text = YAML.findall((PROJECT / PAGE).read_text(encoding="utf-8"))
    printed = yaml.safe_load(text)
    (own,) = [each for each in kustomized("base") if each["kind"] == "NetworkPolicy"]
    assert printed["metadata"]["namespace"] == own["metadata"]["namespace"]
    assert printed["metadata"]["name"] != own["metadata"]["name"]
    assert printed["spec"]["podSelector"] == own["spec"]["podSelector"]


def test_the_topology_operator_is_told_of_the_secret_that_the_command_makes() -> None:
    patch = yaml.safe_load((PLACE / "components" / "rabbitmq" / "trust.yaml").read_text())["spec"][
        "template"
    ]["spec"]
    (volume,) = patch["volumes"]
    ((mount,),) = [each["volumeMounts"] for each in patch["containers"]]
    assert (mount["name"], mount["subPath"]) == (volume["name"], "ca.crt")
    assert mount["mountPath"].startswith("/etc/ssl/certs/")
    text = "\n".join(lines_of(OPERATORS))
    assert (
        f"create secret generic {volume['secret']['secretName']} --namespace rabbitmq-system --from-file=ca.crt"
        in text
    )


def test_the_job_alone_makes_a_database_that_a_worker_may_use(
    own_postgres: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run only the job's own steps for the database, in their order, with the printed secrets."""
    secrets = printed_secrets(OWN, tmp_path, capsys)
    own_postgres.create_database("sessions")
    own_postgres.psql("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'a b/c@d:e%f'")
    (job,) = [each["spec"]["template"]["spec"] for each in kustomized("base") if each["kind"] == "Job"]
    place = Path(job["initContainers"][0]["volumeMounts"][0]["mountPath"])
    for step in job["initContainers"]:
        seen = tmp_path / step["name"]
        show(job, step["volumeMounts"][0]["name"], secrets, seen, own_postgres.port)
        words = [word.replace(str(place), str(seen)) for word in step["args"]]
        done = run_command(*words, variables={"SESSION_STORE_SECRETS_DIR": str(seen)})
        assert done.returncode == 0, f"{step['name']}: {done.stdout}{done.stderr}"
    url = here(secrets["session-store"]["DATABASE_URL"], own_postgres.port)
    doctor = run_command(
        "doctor", variables={"DATABASE_URL": url, "AMQP_URL": "amqp://u:p@127.0.0.1:1/", "NO_COLOR": "1"}
    )
    (rights,) = [line for line in doctor.stdout.splitlines() if "database.rights" in line]
    assert "ok" in rights.split()


def show(pod: Resource, volume: str, secrets: dict[str, dict[str, str]], directory: Path, port: int) -> None:
    """Write the files of a volume of secrets, as a container sees them."""
    (found,) = [each["projected"]["sources"] for each in pod["volumes"] if each["name"] == volume]
    for secret in (source["secret"] for source in found):
        for item in secret["items"]:
            file = directory / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(here(secrets[secret["name"]][item["key"]], port))


def here(value: str, port: int) -> str:
    """Return the URL of the test's server, without TLS, for a printed URL; return other values unchanged."""
    if not value.startswith("postgresql://"):
        return value
    return value.partition("?")[0].replace("db.example:5432", f"127.0.0.1:{port}")
