"""`make test-kubernetes` without a cluster: it gives the reason, and its steps run with a fake kubectl."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography import x509

from contracts.client import SessionStore
from deploy.local.instance import PROJECT
from tests.deploy.test_kubernetes import VERSIONS, assert_fits, kustomized_at
from tests.field.load import Load, Stalled
from tests.kubernetes.cluster import NAMESPACE, SERVERS, CannotTry, Cluster, loader_of, provide_image
from tests.kubernetes.printed import INSTALL, PASSWORD, UPGRADE, Printed, commands, write_overlay
from tests.kubernetes.servers import PAGE, POSTGRES, RABBITMQ, Servers
from tests.kubernetes.trial import Trial
from tests.kubernetes.workers import REPLICAS, Workers
from tests.support.patience import LONGEST_WAIT
from tests.support.programs.installation import StartReplica, Variables
from tests.support.selection import long

AGREES: Final = """\
#!{python}
# Says what kubectl would say of a cluster on which everything goes well; notes each call.
import json, os, sys
from pathlib import Path

here, words = Path(__file__).parent, sys.argv[1:]
said = " ".join(words)
with (here / "calls").open("a") as calls:
    print(said, file=calls)
if "--filename=-" in said or "--filename -" in said or "--stdin" in said:
    sys.stdin.read()


def nth(name):
    file = here / name
    count = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(count))
    return count


if said == "config current-context":
    print("kind-pretended")
elif "get namespace" in said:
    sys.exit("Error from server (NotFound)")
elif "get pods" in said:
    status = dict(conditions=[dict(type="Ready", status="True")], containerStatuses=[dict(restartCount=1)])
    print(json.dumps(dict(items=[dict(metadata=dict(name=f"w{{n}}"), status=status) for n in range({replicas})])))
elif "--dry-run=client" in words:
    print(json.dumps(dict(spec=dict(template=dict(spec=dict(containers=[dict()]))))))
elif "rabbitmqctl eval" in said:
    print(7)
elif "eviction" in said and nth("evictions") % 2 == 0:
    sys.exit("Error from server (TooManyRequests): it would violate the pod's disruption budget.")
elif "psql" in words and nth("logins") == 1:
    sys.exit("FATAL:  password authentication failed for user")
"""


def run_trial(*words: str, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Return the finished trial, which finds programs in the path alone."""
    return subprocess.run(
        [sys.executable, "-m", "tests.kubernetes", *words],
        env={"PATH": path, "HOME": "/nonexistent", **variables},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=False,
    )


def kubectl_in(directory: Path, script: str) -> str:
    """Write a fake kubectl into the directory, and return a search path with it."""
    directory.mkdir(exist_ok=True)
    program = directory / "kubectl"
    program.write_text(script, encoding="utf-8")
    program.chmod(0o755)
    return f"{directory}{os.pathsep}/usr/bin{os.pathsep}/bin"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "kubectl has no current context; make a cluster, such as: kind create cluster"),
        (
            'test "$1" = config && echo away && exit 0; echo refused >&2; exit 1',
            "the cluster of the context away does not answer: refused",
        ),
        (
            'test "$1" = config && echo used; exit 0',
            f"the cluster of the context used has a namespace {NAMESPACE}, which may be in use; "
            f"take another cluster, or delete it: kubectl delete namespace {NAMESPACE}",
        ),
    ],
)
def test_without_a_cluster_it_says_why_and_changes_nothing(tmp_path: Path, script: str, reason: str) -> None:
    calls = tmp_path / "calls"
    path = kubectl_in(tmp_path / "bin", f'#!/bin/sh\necho "$@" >> {calls}\n{script}\n')
    done = run_trial(path=path)
    assert (done.returncode, done.stdout, done.stderr) == (75, "", f"NOT TESTED: {reason}\n")
    assert not {"apply", "create", "delete"} & set(calls.read_text().split())


def test_without_kubectl_it_says_so(tmp_path: Path) -> None:
    done = run_trial(path=str(tmp_path))
    assert done.returncode == 75
    assert done.stderr.startswith("NOT TESTED: kubectl is missing; ")


def test_a_cluster_that_takes_no_image_of_this_machine_needs_the_name_of_one() -> None:
    assert loader_of("kind-dev")[-2:] == ("--name", "dev")
    assert loader_of("k3d-dev")[-2:] == ("--cluster", "dev")
    assert loader_of("orbstack") == ()
    with pytest.raises(CannotTry, match="--image"):
        loader_of("production")
    assert provide_image(Cluster("production"), "registry.example/it:1") == "registry.example/it:1"


@pytest.mark.parametrize("heading", [INSTALL, UPGRADE, PASSWORD])
def test_the_printed_commands_get_the_names_of_the_trial(tmp_path: Path, heading: str) -> None:
    text = commands(heading, tmp_path / "overlay")
    assert ".example" not in text
    assert f"kubectl apply --kustomize {tmp_path}/overlay\n" in text
    assert "deploy/kubernetes/base\n" not in text
    if heading != UPGRADE:
        assert f"--postgres {POSTGRES}:5432/sessions --rabbitmq {RABBITMQ}:5671 " in text


def test_the_overlay_of_the_trial_has_the_image_and_the_nightly_jobs(tmp_path: Path) -> None:
    write_overlay(tmp_path / "overlay", "registry.example:5000/it:1")
    resources = kustomized_at(tmp_path / "overlay")
    assert sorted(each["kind"] for each in resources).count("CronJob") == 2
    assert set(images(resources)) == {"registry.example:5000/it:1"}


def images(value: object) -> list[str]:
    """Return every image that is named in a manifest."""
    if isinstance(value, list):
        return [found for each in value for found in images(each)]
    if isinstance(value, dict):
        here = [value["image"]] if isinstance(value.get("image"), str) else []
        return here + [found for each in value.values() for found in images(each)]
    return []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_servers_of_the_trial_are_what_kubernetes_takes(tmp_path: Path, version: str) -> None:
    resources = list(yaml.safe_load_all(PAGE.read_text(encoding="utf-8")))
    assert_fits(resources, tmp_path, version)
    names = {each["metadata"]["name"] for each in resources if each["kind"] == "Service"}
    assert {f"{name}.{SERVERS}.svc" for name in names} == {POSTGRES, RABBITMQ}


@long("the trial's steps are played with a kubectl that agrees")
async def test_the_steps_of_the_trial_call_kubectl_as_a_cluster_expects(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    installation: Variables,
    start_replica: StartReplica,
) -> None:
    """Run a real load and the printed commands, with a kubectl that accepts everything."""
    await start_replica()
    agrees = AGREES.format(python=sys.executable, replicas=REPLICAS)
    monkeypatch.setenv("PATH", kubectl_in(tmp_path / "bin", agrees))

    @asynccontextmanager
    async def broker(_: Servers) -> AsyncIterator[str]:
        yield installation["AMQP_URL"]

    def client(url: str, timeout: float) -> SessionStore:
        return SessionStore(url, timeout=timeout, prefix=installation["SESSION_STORE_PREFIX"])

    monkeypatch.setattr(Servers, "engine_url", broker)
    monkeypatch.setattr("tests.kubernetes.trial.SessionStore", client)
    write_overlay(tmp_path / "overlay", "it:1")
    cluster = Cluster("kind-pretended")
    servers = Servers(cluster, tmp_path)
    trial = Trial(servers, Workers(cluster), Printed(cluster, servers, tmp_path / "overlay"))
    assert await trial.run() == []
    calls = (tmp_path / "bin" / "calls").read_text().splitlines()
    assert f"apply --kustomize {tmp_path / 'overlay'}" in calls
    assert sum("eviction" in call for call in calls) == 2 * REPLICAS
    assert sum("import_definitions" in call for call in calls) == 3
    assert hosts_of(tmp_path / "tls.crt") == {POSTGRES, RABBITMQ}


def hosts_of(certificate: Path) -> set[str]:
    """Return the hosts that a certificate is for."""
    shown = x509.load_pem_x509_certificate(certificate.read_bytes())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


async def test_a_load_tells_what_was_lost_and_that_it_stalls(
    installation: Variables, start_replica: StartReplica
) -> None:
    replica = await start_replica()
    store = SessionStore(
        installation["AMQP_URL"], prefix=installation["SESSION_STORE_PREFIX"], timeout=LONGEST_WAIT
    )
    async with store:
        async with Load(store) as load:
            await load.advance(20, LONGEST_WAIT)
        assert (await load.lost(), load.failures) == ([], [])
        name = (await store.query()).records[0].session.session_id
        await store.delete(name)
        assert await load.lost() == [name]
        await replica.stop()
        with pytest.raises(Stalled, match="3 of 3 writes"):
            await load.advance(3, 0.1)
