"""The wheels of a release, and new virtual environments with one of them and its requirements."""

import importlib
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.local.instance import PROJECT
from deploy.release.build import build_python
from tests.support.patience import LONGEST_WAIT


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the built wheels by the names of their distributions."""
    target = tmp_path_factory.mktemp("dist")
    build_python(PROJECT, target)
    return {path.name.partition("-")[0].replace("_", "-"): path for path in target.glob("*.whl")}


@pytest.fixture(scope="module")
def client_package(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield the module `session_store_client` from its wheel, importable for the tests of a module."""
    directory = tmp_path_factory.mktemp("client")
    zipfile.ZipFile(wheels["session-store-client"]).extractall(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield importlib.import_module("session_store_client")
    for name in [name for name in sys.modules if name.partition(".")[0] == "session_store_client"]:
        del sys.modules[name]


class Environment:
    """A virtual environment of its own in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
        (self.site,) = directory.glob("lib/python*/site-packages")

    @property
    def names(self) -> set[str]:
        """The normalized names of the installed distributions."""
        return {canonicalize_name(each.name) for each in distributions(path=[str(self.site)])}

    def install(self, wheel: Path) -> None:
        """Install a wheel; link its requirements from the running environment: a test needs no network."""
        python = self.directory / "bin" / "python"
        pip = (sys.executable, "-m", "pip", "--python", python)
        subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", wheel], check=True)
        for installed in list(distributions(path=[str(self.site)])):
            self._link(_requirements_of(installed))

    def run(self, *words: str) -> str:
        """Return a program's output; it runs outside the checkout, and must exit with 0."""
        program, *arguments = words
        done = subprocess.run(
            [self.directory / "bin" / program, *arguments],
            cwd=self.directory,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=LONGEST_WAIT,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _link(self, requirements: Iterable[Requirement]) -> None:
        for requirement in requirements:
            found = distribution(requirement.name)
            assert found.version in requirement.specifier, requirement
            if canonicalize_name(requirement.name) in self.names:
                continue
            for file in found.files or ():
                if not {"..", "__pycache__"} & set(file.parts):
                    (self.site / file).parent.mkdir(parents=True, exist_ok=True)
                    (self.site / file).symlink_to(file.locate())
            self._link(_requirements_of(found))


def _requirements_of(installed: Distribution) -> Iterator[Requirement]:
    for requirement in map(Requirement, installed.requires or ()):
        if not requirement.marker or requirement.marker.evaluate({"extra": ""}):
            yield requirement
