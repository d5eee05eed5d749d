"""The engine's loader of plugins: the ones that it loads, the order of calls, and those that it skips."""

import json
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.engine.conftest import StartEngine

pytestmark = pytest.mark.timeout(400)

STORAGE: Final = """
class Memory {
  #step = (word) => console.error(`${this.config?.name}: ${word}`)
  getMetadata() { return { name: 'memory', version: '1.0.0', description: 'sessions in a map' } }
  async initialize(context) { this.config = context.config; this.#step('initialize') }
  async activate() { this.#step('activate') }
  async deactivate() { this.#step('deactivate') }
  async shutdown() { this.#step('shutdown') }
  getStorageProvider() {
    const sessions = new Map()
    return {
      initialize: async () => {},
      writeSession: async (session) => void sessions.set(session.sessionId, session),
      readSession: async (id) => sessions.get(id) ?? null,
      healthCheck: async () => true,
    }
  }
}
"""
STEPS: Final = ("initialize", "activate", "deactivate", "shutdown")
BROKEN: Final = (
    "export default class { async initialize() {} async activate() { throw new Error('no servers') } }\n"
)


def add_plugin(folder: Path, name: str, code: str) -> None:
    plugin = folder / name
    (plugin / "lib").mkdir(parents=True)
    manifest = {"name": name, "version": "1.0.0", "main": "lib/index.mjs", "config": {"name": name}}
    (plugin / "plugin.json").write_text(json.dumps(manifest))
    (plugin / "lib" / "index.mjs").write_text(code)


async def steps_of_a_play(start_engine: StartEngine, folder: Path) -> list[str]:
    """Write and read a session, and return the lines that the plugins printed."""
    engine = await start_engine({"ENGINE_STORAGE": "plugin", "ENGINE_FOLDER": str(folder)})
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{engine.url}/players/player_1/sessions") as answer:
            session_id = (await answer.json())["sessionId"]
        async with http.get(f"{engine.url}/sessions/{session_id}") as answer:
            assert answer.status == 200
    assert await engine.stop() == 0
    return (await engine.errors()).splitlines()


@pytest.mark.parametrize(
    "export", ["export default Memory", "export { Memory as memory }"], ids=["by default", "by name"]
)
async def test_a_class_that_is_exported_by_default_or_by_name_serves(
    start_engine: StartEngine, tmp_path: Path, export: str
) -> None:
    add_plugin(tmp_path, "memory", f"{STORAGE}{export}\n")
    assert await steps_of_a_play(start_engine, tmp_path) == [f"memory: {step}" for step in STEPS]


@pytest.mark.parametrize(
    "code", [BROKEN, "export const wrong = 1\n", "syntax error"], ids=["activate", "no class", "no module"]
)
async def test_a_plugin_that_throws_is_logged_and_passed_over(
    start_engine: StartEngine, tmp_path: Path, code: str
) -> None:
    add_plugin(tmp_path, "a-broken", code)
    add_plugin(tmp_path, "memory", f"{STORAGE}export default Memory\n")
    said = await steps_of_a_play(start_engine, tmp_path)
    assert said[0].startswith("plugin a-broken:")
    assert said[-4:] == [f"memory: {step}" for step in STEPS]
