"""The small engine itself: its file storage loses nothing, and a last-writer-wins store loses moves."""

import json
from pathlib import Path
from typing import Final, Literal

import aiohttp
import pytest

from tests.engine.build import APP
from tests.engine.conftest import StartEngine
from tests.engine.contest import Contest, play_on_files, play_on_workers
from tests.engine.moves import Losses
from tests.engine.process import EngineFailed
from tests.engine.reads import read_many
from tests.support.selection import long
from tests.support.servers.layouts import on_layout
from tests.support.stage.stage import Stage
from tests.typescript.node import PACKAGE, run_node

SESSIONS: Final = 20
BIOME: Final = str(PACKAGE / "node_modules" / ".bin" / "biome")


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("program")
def test_the_program_of_the_engine_is_clean() -> None:
    run_node(BIOME, "ci", ".", directory=APP)


@pytest.mark.timeout(400)
async def test_an_engine_on_its_file_storage_loses_nothing(program: Path, tmp_path: Path) -> None:
    assert await play_on_files(program, tmp_path, SESSIONS) == Losses()


@pytest.mark.timeout(400)
async def test_the_moves_that_a_last_writer_overwrites_are_counted(program: Path, calm_stage: Stage) -> None:
    losses = await play_on_workers(Contest("last-writer"), calm_stage, program, SESSIONS)
    assert losses.errors == 0
    assert 0 < losses.lost < SESSIONS * 4
    assert losses.doubled > 0
    assert losses.reopened + losses.overwritten > 0


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "contest",
    [
        Contest("session-store", engines=2, workers=2, ends="workers"),
        pytest.param(
            Contest("session-store", engines=2, ends="engines"),
            marks=long("workers are killed by each change, engines here"),
        ),
        pytest.param(
            Contest("session-store", durability="queued", ends="workers"),
            marks=long("the same with another durability"),
        ),
    ],
    ids=str,
)
async def test_moves_that_were_told_are_kept_though_somebody_is_killed(
    program: Path, calm_stage: Stage, contest: Contest
) -> None:
    losses = await play_on_workers(contest, calm_stage, program, SESSIONS // 2)
    assert contest.is_kept(losses), losses


@long("the broker is killed and started again, which takes seconds each time")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("durability", ["stored", "queued"])
async def test_moves_that_were_told_are_kept_though_the_broker_is_killed(
    program: Path, stage: Stage, durability: Literal["stored", "queued"]
) -> None:
    contest = Contest("session-store", workers=2, durability=durability, ends="broker")
    losses = await play_on_workers(contest, stage, program, SESSIONS)
    assert contest.is_kept(losses), losses


@long("a million reads; fewer would not tell a small leak from noise")
@on_layout("plain")  # it is the engine's memory
@pytest.mark.timeout(3600)
async def test_a_million_reads_keep_nothing(program: Path, calm_stage: Stage) -> None:
    heaps = await read_many(calm_stage, program, 1_000_000)
    assert heaps.end - heaps.middle < 500_000, heaps  # less than a byte for each read is noise


@pytest.mark.timeout(400)
async def test_completed_sessions_alone_outlive_an_engine_on_files(
    start_engine: StartEngine, tmp_path: Path
) -> None:
    variables = {"ENGINE_FOLDER": str(tmp_path)}
    engine = await start_engine(variables)
    async with aiohttp.ClientSession() as http:
        ids = [await create(http, engine.url) for _ in range(2)]
        await ask(http, "POST", f"{engine.url}/sessions/{ids[0]}/npcs/npc_1")
        assert await ask(http, "POST", f"{engine.url}/sessions/{ids[0]}/complete") == 200
        assert await ask(http, "POST", f"{engine.url}/sessions/{ids[0]}/complete") == 409
        assert await engine.stop() == 0
        engine = await start_engine(variables)
        assert [await ask(http, "GET", f"{engine.url}/sessions/{each}") for each in ids] == [200, 404]
        assert [await ask(http, "DELETE", f"{engine.url}/sessions/{ids[0]}") for _ in range(2)] == [200, 404]
        assert await ask(http, "GET", f"{engine.url}/health") == 200
    assert await engine.stop() == 0


@pytest.mark.timeout(400)
async def test_an_engine_ends_where_its_storage_cannot_be_initialized(start_engine: StartEngine) -> None:
    options = json.dumps({"url": "amqp://127.0.0.1:1", "timeoutMs": 100})
    with pytest.raises(EngineFailed, match="TimedOutError"):
        await start_engine({"ENGINE_STORAGE": "session-store", "ENGINE_OPTIONS": options})


async def create(http: aiohttp.ClientSession, url: str) -> str:
    async with http.post(f"{url}/players/player_1/sessions") as answer:
        return str((await answer.json())["sessionId"])


async def ask(http: aiohttp.ClientSession, method: str, url: str) -> int:
    async with http.request(method, url) as answer:
        await answer.read()
        return answer.status
