"""The image and the stack, in the order of the page; each test continues after the one before it.

`make test-containers` runs this file. It is no part of `make test`: it needs a container engine, or root and a Debian
mirror to make one.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from deploy.local.instance import PROJECT
from tests.containers.docker import Docker, container_engine, has_registry
from tests.containers.images import make_images
from tests.faults.rolling import REDELIVERED
from tests.support.programs.page import commands_of
from tests.versions.trees import CannotMake

PAGE: Final = "docs/install-containers.md"
COMPOSE: Final = "docker compose --file deploy/compose/stack.yaml"
SERVERS: Final = ("postgres", "rabbitmq", "prometheus", "grafana")
READY: Final = 4
"""The number of workers of the stack, those for callers included."""
BUILD, START, SHOW = commands_of(PAGE, "Build and start the stack")[0].splitlines()


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    """Yield an engine with the base images, from the registry or else from Debian's packages."""
    try:
        with container_engine() as engine:
            print(f"\nengine: {engine.name}", flush=True)
            if not has_registry(engine):
                print("no registry is reached: base images are made from Debian's packages", flush=True)
                make_images(engine)
            yield engine
            engine.type(commands_of(PAGE, "Take the stack away")[0])
    except CannotMake as reason:
        pytest.skip(f"no container engine can be had here: {reason}")


def engine_login(docker: Docker) -> str:
    """Return the URL that the stack shows engines."""
    lines = docker.type(SHOW).splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("engines"))


def engine_words(docker: Docker, name: str, *words: str) -> list[str]:
    """Return the command of an engine in a container of the stack's network."""
    options = [
        "--rm",
        "--name",
        name,
        "--network",
        "session-store_default",
        "--env",
        f"AMQP_URL={engine_login(docker)}",
    ]
    place = ["--volume", f"{PROJECT}:/source:ro", "--workdir", "/source", "--entrypoint", "python"]
    return ["docker", "run", *options, *place, "session-store", "-B", "-m", "tests.field.engine", *words]


def redelivered(docker: Docker) -> int:
    """Return how many deliveries the broker counts as repeated since it started."""
    return int(docker.type(f"{COMPOSE} exec -T rabbitmq rabbitmqctl -q eval '{REDELIVERED}'").strip())


@contextmanager
def under_load(docker: Docker, *, redeliveries: bool = False) -> Iterator[None]:
    """Write during the block; assert afterwards that every last state is stored and no write has failed."""
    before = redelivered(docker)
    engine = docker.begin(*engine_words(docker, "session-store-load", "load", "/tmp/end"))  # noqa: S108 - inside
    assert engine.stdout
    assert engine.stdout.readline() == "started\n"
    try:
        yield
    finally:
        docker.type("docker exec session-store-load touch /tmp/end")
        said, _ = engine.communicate(timeout=300)
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    repeated = max(0, redelivered(docker) - before)  # a restarted broker counts from 0
    print(
        f"  {found['written']} events written, {repeated} redelivered, {len(found['failed'])} failed",
        flush=True,
    )
    assert found["written"] > 0
    assert (found["failed"], found["wrong"]) == ([], []), found
    assert redeliveries or repeated == 0, f"{repeated} deliveries were repeated"


def started_of(docker: Docker) -> dict[str, str]:
    """Return the id and the start time of each server's container."""
    shown = "{{.Id}} {{.State.StartedAt}}"
    return {
        name: docker.type(f"docker inspect --format '{shown}' $({COMPOSE} ps --quiet {name})")
        for name in SERVERS
    }


def wait_for_workers(docker: Docker, number: int = READY) -> None:
    """Return once this many workers are healthy."""
    health = "docker inspect --format '{{.State.Health.Status}}'"
    command = f"{health} $({COMPOSE} ps --quiet worker answers) | sort | uniq -c | tr '\\n' ' '"
    docker.until(f" {number} healthy", command, seconds=300)


def test_the_image_is_built_by_the_printed_command(docker: Docker) -> None:
    docker.type(BUILD)
    assert docker.type("docker run --rm session-store --version").strip()
    inspected = json.loads(docker.type("docker image inspect session-store"))[0]
    labels = inspected["Config"]["Labels"]
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert (
        labels["org.opencontainers.image.version"]
        == docker.type("docker run --rm session-store --version").strip()
    )
    assert inspected["Config"]["User"] == "10001:10001"
    print(f"  {inspected['Size'] / 1e6:.0f} MB")


def test_the_image_has_no_pip_and_no_setuid_program(docker: Docker) -> None:
    kinds = "-perm /6000 -o -path '*/bin/pip*' -o -path '*/pip/__init__.py'"
    search = f"find / -xdev -type f \\( {kinds} \\) 2> /dev/null || true"
    assert docker.type(f'docker run --rm --user 0 --entrypoint sh session-store -c "{search}"') == ""
    docker.type("! docker run --rm --entrypoint python session-store -m pip --version")


def test_the_health_check_follows_the_port(docker: Docker) -> None:
    urls = "--env DATABASE_URL=postgresql://worker@127.0.0.1:1/x --env AMQP_URL=amqp://127.0.0.1:1/"
    docker.type(
        f"docker run --detach --name session-store-port --health-interval 1s --health-timeout 60s {urls} "
        "--env SESSION_STORE_HTTP_PORT=9999 session-store"
    )
    log = "docker inspect --format '{{json .State.Health.Log}}' session-store-port"
    docker.until("503", log)  # not ready; nothing listens on the other port
    docker.type("docker stop --time 15 session-store-port")
    state = docker.type("docker inspect --format '{{.State.ExitCode}}' session-store-port")
    assert state.strip() == "0", "the first process ends at SIGTERM"
    docker.type("docker rm session-store-port")


def test_the_stack_starts_by_the_printed_command(docker: Docker) -> None:
    docker.type(START)
    wait_for_workers(docker)
    print(docker.type(f"{COMPOSE} ps --format '{{{{.Service}}}} {{{{.Image}}}} {{{{.Status}}}}'"))
    assert "session_store_engine" in docker.type(SHOW)


def test_the_samples_end_as_they_must(docker: Docker) -> None:
    said = docker.type(" ".join(engine_words(docker, "session-store-replay", "replay")))
    print(said.strip())
    assert json.loads(said.splitlines()[-1])["wrong"] == []


def test_the_doctor_finds_no_error(docker: Docker) -> None:
    print(docker.type(f"{COMPOSE} exec -T worker session-store doctor").splitlines()[-1])


def test_prometheus_sees_every_worker(docker: Docker) -> None:
    asked = "http://prometheus:9090/api/v1/query?query=session_store_ready"
    read = f"from urllib.request import urlopen; print(urlopen('{asked}').read().decode())"
    command = f'{COMPOSE} exec -T worker python -c "{read}" | grep -o \'"1"\' | wc -l'
    docker.until(f"{READY}\n", command)


def test_a_killed_worker_comes_back_and_loses_nothing(docker: Docker) -> None:
    kill = (
        "import os, signal; os.kill(int(open('/proc/1/task/1/children').read().split()[0]), signal.SIGKILL)"
    )
    with under_load(docker, redeliveries=True):
        first = docker.type(f"{COMPOSE} ps --quiet worker | head -n 1").strip()
        docker.type(f'docker exec {first} python -c "{kill}" || true')
        docker.until("1\n", f"docker inspect --format '{{{{.RestartCount}}}}' {first}")
        wait_for_workers(docker)


def test_the_number_of_workers_is_changed_without_a_repeat(docker: Docker) -> None:
    with under_load(docker):
        for number in (5, 3):
            docker.type(f"{COMPOSE} up --detach --no-deps --no-recreate --scale worker={number} worker")
            wait_for_workers(docker, number + 1)


def test_the_ports_stay_when_the_servers_are_restarted(docker: Docker) -> None:
    asked = f"{COMPOSE} port postgres 5432; {COMPOSE} port rabbitmq 5672"
    assert docker.type(asked).split() == ["127.0.0.1:5432", "127.0.0.1:5672"]
    with under_load(docker, redeliveries=True):
        docker.type(f"{COMPOSE} restart postgres rabbitmq")
        wait_for_workers(docker)
    assert docker.type(asked).split() == ["127.0.0.1:5432", "127.0.0.1:5672"]


def test_an_upgrade_by_the_recipe_touches_workers_alone(docker: Docker) -> None:
    before, images = started_of(docker), docker.type("docker image inspect --format '{{.Id}}' session-store")
    with under_load(docker):
        docker.type(f"export SOURCE=upgraded\n{commands_of(PAGE, 'Upgrade the stack')[0]}")
        wait_for_workers(docker)
    assert docker.type("docker image inspect --format '{{.Id}}' session-store") != images
    running = docker.type(f"docker inspect --format '{{{{.Image}}}}' $({COMPOSE} ps --quiet worker answers)")
    assert set(running.split()) == {
        docker.type("docker image inspect --format '{{.Id}}' session-store").strip()
    }
    assert started_of(docker) == before


def test_the_start_command_upgrades_and_leaves_the_servers_running(docker: Docker) -> None:
    before = started_of(docker)
    with under_load(docker, redeliveries=True):
        docker.type(f"export SOURCE=again\n{START}")
        wait_for_workers(docker)
    assert started_of(docker) == before


def test_the_stack_is_taken_away(docker: Docker) -> None:
    docker.type(commands_of(PAGE, "Take the stack away")[0])
    assert (
        docker.type("docker ps --all --quiet --filter label=com.docker.compose.project=session-store") == ""
    )
    assert docker.type("docker volume ls --quiet --filter name=session-store_") == ""
