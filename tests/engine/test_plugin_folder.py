"""The plugin folder of the npm package, copied into an engine's folder of plugins."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.engine.conftest import StartEngine
from tests.engine.contest import Contest, options_on, play_on_workers
from tests.engine.moves import Losses
from tests.support.patience import LONGEST_WAIT
from tests.support.selection import long
from tests.support.servers.proxy import Proxy
from tests.support.stage.stage import Stage
from tests.typescript.node import PACKAGE, run_node

pytestmark = pytest.mark.timeout(400)

SESSIONS: Final = 10
NAMES: Final = ("session-store", "postgres-storage")  # our plugin, and the one that it replaces
METADATA: Final = """
const { default: Plugin, ...named } = await import(process.argv[1])
console.log(JSON.stringify([new Plugin().getMetadata(), Object.keys(named).filter((name) => named[name] === Plugin)]))
"""


@pytest.fixture
def plugins(program: Path, tmp_path: Path) -> Path:
    """Return an engine's folder of plugins, with the plugin folder of the packed package."""
    source = tmp_path / "package"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("node_modules", "dist"))
    packed = run_node("npm", "pack", "--silent", "--ignore-scripts", directory=source).strip()
    (tmp_path / "packed").mkdir()
    subprocess.run(["tar", "-xf", source / packed, "-C", tmp_path / "packed"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="plugins-", dir=program.parent))
    shutil.copytree(tmp_path / "packed" / "package" / "plugin", folder / "session-store")
    return folder


def configure(plugins: Path, **changes: Any) -> None:
    """Change the manifest like its user."""
    manifest = plugins / "session-store" / "plugin.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


def test_the_manifest_names_the_package_and_an_example_of_a_url(plugins: Path) -> None:
    manifest = json.loads((plugins / "session-store" / "plugin.json").read_text())
    package = json.loads((PACKAGE / "package.json").read_text())
    assert (manifest["name"], manifest["version"]) == ("session-store", package["version"])
    assert manifest["description"]
    assert manifest["config"]["url"].startswith("amqp://")


@pytest.mark.parametrize("name", NAMES)
def test_the_class_is_exported_by_default_and_by_name_and_has_the_id_of_the_manifest(
    plugins: Path, name: str
) -> None:
    configure(plugins, name=name)
    module = str(plugins / "session-store" / "index.mjs")
    metadata, names = json.loads(run_node("node", "--input-type=module", "-e", METADATA, module))
    assert metadata["name"] == name
    assert metadata["version"]
    assert metadata["description"]
    assert name in names


@pytest.mark.parametrize(
    "name", [NAMES[1], pytest.param(NAMES[0], marks=long("the same under the name of the package"))]
)
async def test_engines_on_the_copied_folder_lose_nothing(
    calm_stage: Stage, program: Path, plugins: Path, name: str
) -> None:
    configure(plugins, name=name, config=options_on(calm_stage))
    contest = Contest("plugin", engines=2, plugins=plugins)
    assert await play_on_workers(contest, calm_stage, program, SESSIONS) == Losses()


@pytest.mark.parametrize("missing", ["worker", "broker"])
async def test_an_engine_that_is_started_before_its_servers_serves_once_they_run(
    calm_stage: Stage, start_engine: StartEngine, plugins: Path, missing: str
) -> None:
    async with Proxy("127.0.0.1", calm_stage.rabbit.port) as proxy:
        if missing == "broker":
            proxy.refuse()
        url = calm_stage.amqp_url(proxy.port)
        configure(plugins, config={**options_on(calm_stage), "url": url, "timeoutMs": 5_000})
        engine = await start_engine({"ENGINE_STORAGE": "plugin", "ENGINE_FOLDER": str(plugins)})
        async with aiohttp.ClientSession() as http, asyncio.timeout(LONGEST_WAIT):
            assert await status_of_health(http, engine.url) == 503
            await calm_stage.start_replica()
            await proxy.start()
            while await status_of_health(http, engine.url) != 200:
                await asyncio.sleep(0.05)
            async with http.post(f"{engine.url}/players/player_1/sessions") as answer:
                session_id = (await answer.json())["sessionId"]
            async with http.get(f"{engine.url}/sessions/{session_id}") as answer:
                assert answer.status == 200
        assert await engine.stop() == 0
    said = (await engine.errors()).splitlines()
    assert len(said) == 1
    assert said[0].startswith("session-store: no worker replies yet, trying on:")


async def status_of_health(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(f"{url}/health") as answer:
        return answer.status
