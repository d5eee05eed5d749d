"""Imports the module of a command when the command is used: a start imports only the modules it needs."""

import gc
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_group


class CommandPlace(NamedTuple):
    """The module and the name of a command's function, or of a group's `typer.Typer`; its panel of `--help`."""

    module: str
    name: str
    panel: str | None = None


class CommandsOnUse(Mapping[str, Any]):
    """The commands by name, in the order of `places`; a module is imported when its command is first taken.

    typer does not export the type of its commands.
    """

    def __init__(self, places: Mapping[str, CommandPlace]) -> None:
        self._places = places
        self._taken: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Return the command; raises KeyError."""
        if name not in self._taken:
            self._taken[name] = _import(name, self._places[name])
        return self._taken[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, without an import."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return the number of commands."""
        return len(self._places)


def lazy_group(places: Mapping[str, CommandPlace]) -> type[TyperGroup]:
    """Return the class of a group, for `typer.Typer(cls=...)`, whose commands are at these places."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands: Any = CommandsOnUse(places)

        def list_commands(self, ctx: Any) -> list[str]:
            return list(self.commands)

    return LazyGroup


def _import(name: str, place: CommandPlace) -> Any:
    gc.disable()  # an import makes thousands of objects that stay: to look for garbage takes a tenth of its time
    try:
        found = getattr(import_module(place.module), place.name)
    finally:
        gc.enable()
    app = typer.Typer()
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=name, rich_help_panel=place.panel)
    else:
        app.command(name, rich_help_panel=place.panel)(found)
    return get_group(app).commands[name]
