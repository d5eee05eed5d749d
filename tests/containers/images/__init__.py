"""Base images made from Debian's packages, under the names that the Dockerfile and the stack use."""

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from deploy.local.instance import PROJECT
from tests.containers.docker import SUITE, Docker
from tests.field.debian import make_tree
from tests.field.wheels import LOCKS, PIP, wheels_for
from tests.versions.trees import run

HERE: Final = Path(__file__).parent
WHEELS: Final = "srv/wheels"
LABEL: Final = "session-store.trial"
ENTRYPOINT: Final = "usr/local/bin/start"


class Base(NamedTuple):
    """An image: the packages of its tree, and how its containers start."""

    tag: str
    tree: str
    packages: tuple[str, ...]
    start: str
    changes: tuple[str, ...] = ()


_SERVERS: Final = ("postgresql", "rabbitmq-server", "prometheus", "ca-certificates", "procps")
PYTHON: Final = Base(
    "python:3.13-slim",
    "python",
    ("python3", "python3-venv", "python3-pip", "ca-certificates", "netbase", "tzdata"),
    "",
    ("CMD python3",),
)
WAITING: Final = "#!/bin/sh\necho 'Debian has no Grafana: this container only waits'\nexec sleep infinity\n"
PROMETHEUS: Final = """#!/bin/sh
exec prometheus --config.file=/etc/prometheus/prometheus.yml --storage.tsdb.path=/prometheus
"""
BASES: Final = (
    PYTHON,
    Base("postgres:17", "servers", _SERVERS, (HERE / "postgres.sh").read_text(encoding="utf-8")),
    Base("rabbitmq:4", "servers", _SERVERS, (HERE / "rabbitmq.sh").read_text(encoding="utf-8")),
    Base("prom/prometheus:v3.5.0", "servers", _SERVERS, PROMETHEUS),
    Base("grafana/grafana:12.1.0", "python", PYTHON.packages, WAITING),
)


def make_images(docker: Docker) -> None:
    """Make every base image in the engine; raise CannotMake where that fails."""
    for base in BASES:
        tree = make_tree(base.tree, SUITE, base.packages)
        with tempfile.TemporaryDirectory() as place:
            origin = _origin_of(base, tree)
            shown = (
                f"docker image inspect --format '{{{{index .Config.Labels \"{LABEL}\"}}}}' {base.tag} || true"
            )
            if docker.type(shown).strip() == origin:
                continue
            print(f"importing {base.tag} from {tree.name}", flush=True)
            _lay_out(Path(place) / "extra", base, tree)
            changes = (*base.changes, f"LABEL {LABEL}={origin}")
            _import(
                docker, base._replace(changes=changes), (Path(place) / "extra", tree), Path(place) / "root"
            )


def _origin_of(base: Base, tree: Path) -> str:
    """Return a digest of the parts of the image."""
    locks = "".join((PROJECT / name).read_text(encoding="utf-8") for name in LOCKS)
    return hashlib.sha256(f"{base} {tree.name} {locks}".encode()).hexdigest()


def _lay_out(extra: Path, base: Base, tree: Path) -> None:
    """Write the image's files beside its tree: its start script, or wheels in place of a package index."""
    (extra / "usr/local/bin").mkdir(parents=True)
    if base.start:
        (extra / ENTRYPOINT).write_text(base.start)
        (extra / ENTRYPOINT).chmod(0o755)
        return
    (extra / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    (extra / "etc").mkdir()
    (extra / "etc/pip.conf").write_text(PIP.format(f"/{WHEELS}"))
    (extra / "srv").mkdir()
    subprocess.run(["cp", "-r", wheels_for(tree), extra / WHEELS], check=True)


def _import(docker: Docker, base: Base, layers: tuple[Path, Path], root: Path) -> None:
    changes = (*base.changes, *([f'ENTRYPOINT ["/{ENTRYPOINT}"]'] if base.start else []))
    options = [word for change in changes for word in ("--change", change)]
    root.mkdir()
    run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={layers[0]}:{layers[1]}", str(root)])
    try:
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packing:
            assert packing.stdout
            docker.load(["import", *options, "-", base.tag], packing.stdout)
    finally:
        run(["umount", str(root)])
