"""Draws the output of a command as an SVG that loads nothing from another host."""

import io
import re
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

WEB_FONTS: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
WIDTH: Final = 100


def recording(width: int = WIDTH) -> Console:
    """Return a console that shows nothing and keeps its output for `draw`; `width` is in characters."""
    return Console(file=io.StringIO(), record=True, width=width, highlight=False)


def draw(console: Console, command: str, path: Path) -> None:
    """Write the output that a recording console keeps as a picture, with the command as its title."""
    svg = console.export_svg(title=command, theme=DIMMED_MONOKAI, unique_id=path.stem)
    lines = (line.rstrip() for line in WEB_FONTS.sub("", svg).splitlines())
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw_output(output: str, command: str, path: Path) -> None:
    """Write a text that a command printed as a picture as wide as its longest line."""
    lines = output.rstrip().splitlines()
    console = recording(max(map(len, lines), default=0))
    for line in lines:
        console.print(Text(line), soft_wrap=True)
    draw(console, command, path)
