"""The steps of docs/engine.md, from an empty directory, for an engine on its file storage."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from deploy.local.instance import PROJECT
from tests.engine.build import APP, COMPILER
from tests.engine.process import EngineProcess
from tests.support.programs.installation import StartReplica, Variables, installation, servers, start_replica
from tests.support.programs.page import run_commands
from tests.support.selection import long
from tests.typescript.node import PACKAGE, built, run_node

__all__ = ["built", "installation", "servers", "start_replica"]

PAGE: Final = (PROJECT / "docs" / "engine.md").read_text(encoding="utf-8")
DIFF: Final = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MANIFEST: Final = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
URL: Final = "amqp://user:password@mq.example:5672"
PLUGINS: Final = """
const plugins = await loadPlugins('plugins')
const pluginManager = {
  initialize: async () => {},
  getPlugin: (name: string) => ({ instance: plugins.find((each) => each.getMetadata().name === name) as unknown }),
}
await pluginManager.initialize()
"""
MAIN: Final = """
import type { AddressInfo } from 'node:net'
import type { Session } from './engine.js'
import { FileStorage } from './file-storage.js'
import { loadPlugins } from './plugins.js'
import { serverOf } from './server.js'
%s
const storage = new FileStorage()
await storage.initialize()
const server = serverOf(storage)
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
process.once('SIGTERM', async () => {
  server.close()
  server.closeAllConnections()
  await storage.shutdown()
})
"""


def command(start: str) -> str:
    """Return the page's first command with this beginning."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"    {start}")][:1]
    return line.strip()


def patched(main: str, diff: str) -> str:
    """Return the engine's main module after the change of lines that the page shows."""
    lines = [line[1:] for line in diff.splitlines() if line.startswith("+")]
    removed = [line[1:] for line in diff.splitlines() if line.startswith("-")]
    imports = [line for line in lines if line.startswith("import ")]
    (added,) = [line for line in lines if line and line not in imports]
    assert main.count(removed[0]) == len(removed) == 1
    return "\n".join([*imports, main.replace(removed[0], added)])


def compile_engine(project: Path, main: str, prefix: str, url: str) -> None:
    """Compile the engine with the URL, which a reader fills in, and with the test's prefix."""
    options = f"{{ url: '{url}', prefix: '{prefix}' }}"
    (project / "main.ts").write_text(main.replace(f"{{ url: '{URL}' }}", options))
    run_node(COMPILER, "-p", ".", directory=project)


def make_project(project: Path) -> None:
    """Put an engine on its file storage and the package of `make dist` into an empty directory."""
    shutil.copytree(
        APP, project, dirs_exist_ok=True, ignore=shutil.ignore_patterns("main.ts", "reads.ts", "last-*")
    )
    (project / "package.json").write_text('{"private": true, "type": "module"}\n')
    types = (
        project.parent / "node_modules" / "@types"
    )  # npm removes packages that it did not install from the project
    types.parent.mkdir()
    types.symlink_to(PACKAGE / "node_modules" / "@types")
    (project / "dist").mkdir()
    run_node("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(project / "dist"))


async def play(project: Path, known: Mapping[str, int], complete: int) -> list[str]:
    """Start the engine, read known sessions, play three more and complete some; return the new ids."""
    engine = await EngineProcess.start(project / "main.js", {}, project)
    async with aiohttp.ClientSession() as http:
        for session_id, status in known.items():
            async with http.get(f"{engine.url}/sessions/{session_id}") as answer:
                assert answer.status == status, session_id
        ids = []
        for _ in range(3):
            async with http.post(f"{engine.url}/players/player_1/sessions") as answer:
                ids.append(str((await answer.json())["sessionId"]))
        for session_id in ids[:complete]:
            async with http.post(f"{engine.url}/sessions/{session_id}/complete") as answer:
                assert answer.status == 200
    assert await engine.stop() == 0
    return ids


@long("the package is built, packed and installed; the page's snippets are run by each change")
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("built")
async def test_the_page_leads_from_the_file_storage_to_this_store(
    installation: Variables, start_replica: StartReplica, tmp_path: Path
) -> None:
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    constructor, plugin = DIFF.findall(PAGE)
    project = tmp_path / "engine"
    make_project(project)
    compile_engine(project, MAIN % "", prefix, url)
    done, also_done, left_open = await play(project, {}, complete=2)

    run_node(*command("npm install ./dist/").split(), directory=project)
    await start_replica()
    run_commands(command("session-store import"), installation, project)
    known = {done: 200, also_done: 200, left_open: 404}  # an open session is in no file, as the page says
    compile_engine(project, patched(MAIN % "", constructor), prefix, url)
    ids = await play(project, known, complete=1)

    (project / "plugins").mkdir()
    run_commands(command("cp -R "), {}, project)
    (manifest,) = MANIFEST.findall(PAGE)[:1]
    config = {"config": {"url": url, "prefix": prefix}}
    filled_in = json.dumps({**json.loads(manifest), **config})
    (project / "plugins" / "session-store" / "plugin.json").write_text(filled_in)
    compile_engine(project, patched(MAIN % PLUGINS, plugin), prefix, url)
    await play(project, {**known, **dict.fromkeys(ids, 200)}, complete=0)
