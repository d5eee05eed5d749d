"""The engine's program, compiled once a run."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.engine.build import build_engine
from tests.engine.process import EngineProcess
from tests.support.stage.fixtures import calm_stage, fault_seed, stage

__all__ = ["calm_stage", "fault_seed", "stage"]  # a stage for each test here too


StartEngine = Callable[[Mapping[str, str]], Awaitable[EngineProcess]]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the engine's program."""
    return build_engine(tmp_path_factory.mktemp("engine"))


@pytest.fixture
async def start_engine(program: Path) -> AsyncIterator[StartEngine]:
    """Return what starts an engine with these variables; all are ended with the test."""
    started: list[EngineProcess] = []

    async def start(variables: Mapping[str, str]) -> EngineProcess:
        engine = await EngineProcess.start(program, variables)
        started.append(engine)
        return engine

    yield start
    for engine in started:
        await engine.kill()
