"""The TypeScript client: checked, built, tested against real workers, packed and used."""

import asyncio
import json
import os
import re
import shutil
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from contracts.client import SessionStore
from deploy.local.instance import PROJECT
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from deploy.release.build import build_node
from tests.support.broker.forgeries import KEYS
from tests.support.programs.installation import StartReplica, Variables
from tests.support.selection import long
from tests.typescript.node import PACKAGE, built, run_node

__all__ = ["built"]

TYPESCRIPT_COMPILER = str(PACKAGE / "node_modules" / ".bin" / "tsc")
SNIPPET = re.compile(r"^```ts\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TYPESCRIPT = """{"compilerOptions": {"target": "ES2022", "module": "NodeNext", "moduleResolution": "NodeNext",
  "strict": true, "types": ["node"], "skipLibCheck": true}, "include": ["*.ts"]}"""
WITHOUT_NODE = TYPESCRIPT.replace('["node"]', "[]").replace('"skipLibCheck": true', '"skipLibCheck": false')
MODULES = (
    "",
    "--module ESNext --moduleResolution Bundler --exactOptionalPropertyTypes",
    "--target ES2020 --lib ES2020",
    pytest.param(
        "--module Node16 --moduleResolution Node16", marks=long("NodeNext resolves packages the same way")
    ),
    pytest.param(
        "--target ES2020 --lib ES2020 --skipLibCheck", marks=long("each change checks the libraries too")
    ),
)
HEALTH = """
import { SessionStore } from './dist/esm/index.js'
const { AMQP_URL: url, SESSION_STORE_PREFIX: prefix } = process.env
const store = new SessionStore({ url, prefix, timeoutMs: 20_000 })
await store.initialize()
console.log(await store.healthCheck(), (await store.health()).database)
await store.shutdown()
"""
BLOCKED = (Path(__file__).parent / "blocked.mjs").read_text(encoding="utf-8")
USE = "if (typeof SessionStore !== 'function') throw new Error('not exported')"


@pytest.fixture
def installation(installation: Variables) -> Variables:
    """Return an installation whose workers publish the changes feed."""
    return {**installation, "SESSION_STORE_CHANGES_FEED": "true"}


@pytest.fixture(scope="module")
def packed(built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with the packed package installed."""
    directory = tmp_path_factory.mktemp("packed")
    words = ("npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(directory))
    archive = run_node(*words).strip()
    (directory / "package.json").write_text('{"private": true, "type": "module"}\n')
    run_node("npm", "install", "--silent", "--no-save", f"./{archive}", directory=directory)
    return directory


@pytest.fixture
def project(packed: Path, tmp_path: Path) -> Path:
    """Return the test's own copy of the project."""
    return shutil.copytree(packed, tmp_path / "project")


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
def test_the_package_is_clean_and_its_types_are_those_of_the_schemas() -> None:
    run_node("npm", "run", "check")


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "signatures", [pytest.param("off", marks=long("the same without signatures")), "enforce"]
)
async def test_the_client_conforms_and_keeps_its_promises(
    installation: Variables, start_replica: StartReplica, signatures: str
) -> None:
    keys = KEYS if signatures == "enforce" else ""
    installation.update(SESSION_STORE_SIGNATURES=signatures, SESSION_STORE_SIGNING_KEYS=keys)
    await asyncio.gather(*(start_replica() for _ in range(3)))
    printed = await asyncio.to_thread(run_node, "npm", "test", variables=installation)
    files = len(list((PACKAGE / "test").glob("*.test.ts")))
    assert f"Test Files  {files} passed" in printed


@long("a thousand sessions are played")
@pytest.mark.timeout(400)
async def test_an_engine_plays_on_while_its_worker_is_restarted_twice(
    installation: Variables, start_replica: StartReplica, project: Path
) -> None:
    shutil.copy(PACKAGE / "examples" / "engine.ts", project)
    compiled = ("node_modules/.bin/tsc", "-p", "tsconfig.example.json", "--outDir", str(project))
    run_node(*compiled)
    worker = await start_replica()
    engine = await asyncio.create_subprocess_exec(
        "node",
        project / "engine.js",
        env={**os.environ, **installation},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert engine.stdout is not None
    said: list[str] = []
    restarts = 0
    async for line in engine.stdout:
        said.append(line.decode())
        if said[-1] in ("played 300\n", "played 600\n"):
            await worker.kill()
            worker = await start_replica()
            restarts += 1
    assert await engine.wait() == 0, "".join(said)
    assert restarts == 2
    assert said[-1] == "1000 of 1000 sessions completed with every objective\n"


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
async def test_health_is_bad_and_says_why_to_both_clients_while_the_database_is_away(
    installation: Variables, start_replica: StartReplica, postgres_server: PostgresServer
) -> None:
    await start_replica()
    name = urlsplit(installation["DATABASE_URL"]).path[1:]
    postgres_server.psql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    postgres_server.psql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"  # noqa: S608
    )
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    async with SessionStore(url, prefix=prefix, timeout=20) as store:
        health = await store.health()
    ask = ("node", "--input-type=module", "-e", HEALTH)
    printed = await asyncio.to_thread(run_node, *ask, variables=installation)
    assert (health.ok, printed) == (False, f"false {health.database}\n")
    assert health.database not in ("", "ok")


@long("the client gives up after its timeout")
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
async def test_writes_to_a_broker_short_of_memory_are_not_heaped_up_in_the_engine(
    installation: Variables, start_replica: StartReplica, rabbit_server: RabbitServer
) -> None:
    await start_replica()
    write = ("node", "--expose-gc", "--input-type=module", "-e", BLOCKED)
    engine = await asyncio.create_subprocess_exec(
        *write, cwd=PACKAGE, env={**os.environ, **installation}, stdout=asyncio.subprocess.PIPE
    )
    assert engine.stdout is not None
    assert await engine.stdout.readline() == b"ready\n"
    rabbit_server.ctl("set_vm_memory_high_watermark", "0")
    try:
        printed = await engine.stdout.read()
    finally:
        rabbit_server.ctl("set_vm_memory_high_watermark", "0.4")
    assert await engine.wait() == 0
    assert int(printed) < 40_000_000  # two rounds of 20 MB, sent several times, were more than 100 MB


@pytest.mark.timeout(400)
def test_the_packed_package_is_imported_and_required(project: Path) -> None:
    (project / "module.mjs").write_text(f"import {{ SessionStore }} from 'session-store-client'\n{USE}\n")
    (project / "script.cjs").write_text(
        f"const {{ SessionStore }} = require('session-store-client')\n{USE}\n"
    )
    run_node("node", "module.mjs", directory=project)
    run_node("node", "script.cjs", directory=project)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("options", MODULES)
def test_the_types_of_the_packed_package_are_those_of_a_module(project: Path, options: str) -> None:
    typed = (Path(__file__).parent / "typed_engine.ts").read_text(encoding="utf-8")
    (project / "typed.ts").write_text(typed)
    (project / "typed.cts").write_text(typed)
    (project / "tsconfig.json").write_text(WITHOUT_NODE.replace('"*.ts"', '"typed.ts", "typed.cts"'))
    run_node(TYPESCRIPT_COMPILER, "-p", "tsconfig.json", "--noEmit", *options.split(), directory=project)


def test_the_packed_package_has_its_license_its_readme_and_the_plugin() -> None:
    listed = json.loads(run_node("npm", "pack", "--dry-run", "--json", "--ignore-scripts"))
    (packed,) = listed.values() if isinstance(listed, dict) else listed  # by name, from npm 12 on
    paths = {file["path"] for file in packed["files"]}
    assert {"LICENSE", "README.md", "plugin/plugin.json", "plugin/index.mjs"} <= paths
    assert (PACKAGE / "LICENSE").read_bytes() == (PROJECT / "LICENSE").read_bytes()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "page",
    [PROJECT / "docs" / "engine.md", PACKAGE / "README.md", PROJECT / "README.md"],
    ids=["engine", "readme", "project"],
)
def test_every_snippet_of_the_documentation_runs(page: Path, plain_installation: str, project: Path) -> None:
    snippets = SNIPPET.findall(page.read_text(encoding="utf-8"))
    assert snippets
    for number, snippet in enumerate(snippets):
        (project / f"snippet{number}.ts").write_text(snippet)
    (project / "tsconfig.json").write_text(TYPESCRIPT)
    (project / "node_modules" / "@types").symlink_to(PACKAGE / "node_modules" / "@types")
    run_node(TYPESCRIPT_COMPILER, "-p", "tsconfig.json", directory=project)
    for number in range(len(snippets)):
        run_node("node", f"snippet{number}.js", directory=project, variables={"AMQP_URL": plain_installation})


@long("the package is built twice")
@pytest.mark.timeout(400)
@pytest.mark.usefixtures("built")
def test_the_packed_package_is_the_same_bytes_from_any_directory(tmp_path: Path) -> None:
    packed = []
    for name in ("one", "another"):
        source = tmp_path / name / "contracts" / "typescript"
        shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("node_modules", "dist"))
        shutil.copytree(PACKAGE.parent / "schemas", source.parent / "schemas")
        (source / "node_modules").symlink_to(PACKAGE / "node_modules")
        build_node(tmp_path / name, tmp_path / name)
        packed.append(sums_of_packages(tmp_path / name))
    assert packed[0] == packed[1]


def sums_of_packages(directory: Path) -> list[str]:
    return [sha256(path.read_bytes()).hexdigest() for path in directory.glob("*.tgz")]
