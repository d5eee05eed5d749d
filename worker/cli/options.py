"""The options that several commands have, and the groups in which commands share them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from contracts.refusals import describe
from contracts.requests import Filter
from contracts.scalars import parse_timestamp
from worker.settings.config import Flags

_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str) -> datetime:
    """Return the moment in UTC of an RFC 3339 time, or of a time span before now (`90s`, `30m`, `2h`, `1d`, `1w`)."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{error}, or a time span before now such as 30m, 2h or 1d") from None


_MOMENT: Final[dict[str, Any]] = {"parser": parse_moment, "metavar": "TIME"}

DatabaseUrl = Annotated[str | None, typer.Option(help="PostgreSQL; the default is DATABASE_URL.")]
AmqpUrl = Annotated[str | None, typer.Option(help="RabbitMQ; the default is AMQP_URL.")]
Prefix = Annotated[str | None, typer.Option(help="Prefix of every queue and exchange name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for an answer.")]
Player = Annotated[str | None, typer.Option("--player", help="Sessions of this player.")]
Completed = Annotated[
    bool | None, typer.Option("--completed/--active", help="Only completed, or only active sessions.")
]
Difficulty = Annotated[str | None, typer.Option("--difficulty", help="Sessions of this difficulty.")]
StartedAfter = Annotated[
    datetime | None, typer.Option(help="Started then or later: RFC 3339, or 2h, 1d ago.", **_MOMENT)
]
StartedBefore = Annotated[datetime | None, typer.Option(help="Started then or earlier.", **_MOMENT)]


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """Which installation, by its broker."""

    amqp_url: AmqpUrl = None
    prefix: Prefix = None

    def flags(self) -> Flags:
        """Return the options as flags of the settings."""
        return {"amqp_url": self.amqp_url, "prefix": self.prefix}


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """Which sessions."""

    player: Player = None
    completed: Completed = None
    difficulty: Difficulty = None
    started_after: StartedAfter = None
    started_before: StartedBefore = None


def filter_of(options: FilterOptions) -> Filter:
    """Return the filter that the options ask for."""
    wanted = {
        "player_id": options.player,
        "completed": options.completed,
        "difficulty": options.difficulty,
        "started_after": options.started_after,
        "started_before": options.started_before,
    }
    try:
        return Filter.model_validate({name: value for name, value in wanted.items() if value is not None})
    except ValidationError as error:
        raise typer.BadParameter(describe(error)) from None


def not_stdout(path: Path | None) -> Path | None:
    """Return the path of a file to write; `-`, which elsewhere means standard output, is refused."""
    if path is not None and str(path) == "-":
        raise typer.BadParameter("results are not written to standard output: name a file")
    return path


def grouped_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with the fields of its dataclass parameters as options of its own.

    typer reads the options from a function's signature, so a group of options that commands share is a dataclass, and
    this puts its fields into the signature.
    """
    parameters = signature(command).parameters.values()
    groups = {each.name: each.annotation for each in parameters if _is_group(each.annotation)}

    @wraps(command)
    def called(**given: Any) -> None:
        values = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**values, **given)

    options = [option for each in parameters for option in _options_of(each)]
    called.__signature__ = Signature(options)  # type: ignore[attr-defined]
    return called


def _is_group(annotation: object) -> bool:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _options_of(parameter: Parameter) -> Iterator[Parameter]:
    if not _is_group(parameter.annotation):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
        return
    for field in fields(parameter.annotation):
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
