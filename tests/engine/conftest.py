"""The engine's program, compiled once a run by the first process that needs it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

from tests.engine.build import PROGRAM, build_engine
from tests.engine.process import EngineProcess
from tests.support.once import once_a_run
from tests.support.stage.fixtures import calm_stage, fault_seed, stage

__all__ = ["calm_stage", "fault_seed", "stage"]  # for the tests of this folder


StartEngine = Callable[[Mapping[str, str]], Awaitable[EngineProcess]]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the engine's program, built by the first process of the run that asks for it."""
    return once_a_run(tmp_path_factory, "engine", build_engine) / PROGRAM


@pytest.fixture
async def start_engine(program: Path) -> AsyncIterator[StartEngine]:
    """Yield a function that starts an engine with given variables; engines end with the test."""
    started: list[EngineProcess] = []

    async def start(variables: Mapping[str, str]) -> EngineProcess:
        engine = await EngineProcess.start(program, variables)
        started.append(engine)
        return engine

    yield start
    for engine in started:
        await engine.kill()
