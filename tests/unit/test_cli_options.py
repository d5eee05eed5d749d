"""The command line: options that commands share, and the pages of `--help`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from worker.cli import app
from worker.cli.options import BrokerOptions, grouped_options
from worker.settings.config import Flags, Settings

PANELS = {
    "Commands": {"run", "migrate", "roles", "topology", "doctor", "dead"},
    "Data": {"import", "export", "retain", "erase", "partition"},
    "Ask a worker": {"sessions", "stats", "health", "top"},
    "About this program": {"config", "version"},
}


@dataclass(frozen=True, slots=True)
class Colours:
    red: bool = False
    shade: str = "dark"


def commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and of each command in it; typer does not export the types of its click."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


@pytest.mark.parametrize("path", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, [*path, "--help"])
    assert done.exit_code == 0
    assert "Usage: " in done.stdout


def test_the_first_page_shows_the_commands_in_panels() -> None:
    panels: dict[str, set[str]] = {}
    for line in CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout.splitlines():
        if line.startswith("╭─"):
            panels[line.strip("╭─╮ ")] = set()
        elif line.startswith("│ ") and line[2] != " ":
            panels[list(panels)[-1]].add(line.split()[1])
    assert {name: found for name, found in panels.items() if name != "Options"} == PANELS


def test_the_fields_of_a_group_are_options_of_the_command() -> None:
    given: list[object] = []
    colours = typer.Typer()

    @colours.command()
    @grouped_options
    def paint(*, wall: str = "left", colour: Colours, coats: int = 1) -> None:
        given.append((wall, colour, coats))

    words = ["--shade", "light", "--red", "--coats", "2"]
    assert CliRunner().invoke(colours, words).exit_code == 0
    assert CliRunner().invoke(colours, ["--wall", "right"]).exit_code == 0
    assert given == [("left", Colours(red=True, shade="light"), 2), ("right", Colours(), 1)]
    assert CliRunner().invoke(colours, ["--colour", "red"]).exit_code == 2


def test_flags_are_settings() -> None:
    assert set(Flags.__annotations__) <= set(Settings.model_fields)
    assert BrokerOptions("amqp://h", "p.").flags() == {"amqp_url": "amqp://h", "prefix": "p."}
