"""The parts of `make pictures`: a terminal as SVG, a page by Chromium, and the load."""

from collections import Counter
from pathlib import Path
from typing import cast

import orjson
import pytest

from contracts.topology import DELETE_KEY, WRITE_KEY
from deploy.demo.engine import Engine, Json
from deploy.pictures.browser import NoBrowser, NoPicture, find_browser, take_picture
from deploy.pictures.load import INVALID, SESSIONS, play_round
from deploy.pictures.terminal import draw, draw_output, recording
from tests.support.events.decoding import row_or_code
from worker.store.rows import EventRow

PAGE = "<title>page</title><h1>ready</h1>"


class RecordingEngine:
    """A fake engine that keeps its events and counts its requests."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.called: Counter[str] = Counter()

    async def publish(self, body: bytes, routing_key: str) -> Json:
        """Keep an event."""
        self.published.append((routing_key, body))
        return {"outcome": "stored"}

    async def call(self, method: str, **params: object) -> Json:
        """Count a request."""
        self.called[method] += 1
        return {}


@pytest.fixture
def browser() -> str:
    try:
        return find_browser()
    except NoBrowser as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("browser")
def test_a_page_becomes_a_picture_of_the_wanted_size(tmp_path: Path) -> None:
    page, picture = tmp_path / "page.html", tmp_path / "page.png"
    page.write_text(PAGE)
    take_picture(page.as_uri(), picture, width=400, height=300)
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert [int.from_bytes(content[at : at + 4]) for at in (16, 20)] == [400, 300]


@pytest.mark.usefixtures("browser")
def test_a_directory_without_a_place_for_the_picture_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoPicture):
        take_picture("about:blank", tmp_path / "missing" / "page.png", width=400, height=300)


def test_without_chromium_the_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowser, match="install the package chromium"):
        find_browser()


def test_a_terminal_becomes_a_picture_that_loads_nothing(tmp_path: Path) -> None:
    console = recording()
    console.print("[bold]EQUAL[/bold] 149 sessions")
    draw(console, "make demo", tmp_path / "demo.svg")
    svg = (tmp_path / "demo.svg").read_text()
    assert "EQUAL" in svg
    assert "make demo" in svg.replace("&#160;", " ")
    assert "@font-face" not in svg


def test_a_line_of_an_output_is_never_wrapped(tmp_path: Path) -> None:
    draw_output(f"{'wide' * 60}\nnarrow\n", "top", tmp_path / "top.svg")
    assert "wide" * 60 in (tmp_path / "top.svg").read_text()


async def test_the_load_has_late_repeated_deleting_and_invalid_events() -> None:
    engine = RecordingEngine()
    for number in range(60):
        await play_round(cast(Engine, engine), number)
    events = [(key, body) for key, body in engine.published if body != INVALID]
    writes = [orjson.loads(body) for key, body in events if key == WRITE_KEY]
    assert all(isinstance(row_or_code(body, key), EventRow) for key, body in events)
    assert len(events) < len(engine.published)
    assert max(Counter(event["id"] for event in writes).values()) == 2
    assert min(event["data"]["revision"] for event in writes) == 1
    assert any(key == DELETE_KEY for key, _ in events)
    assert len({event["subject"] for event in writes}) <= SESSIONS
    assert engine.called["session.query"] == 60
