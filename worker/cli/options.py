"""Options that several commands have."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from contracts.scalars import parse_timestamp

DatabaseUrl = Annotated[str | None, typer.Option(help="PostgreSQL; DATABASE_URL when not given.")]
AmqpUrl = Annotated[str | None, typer.Option(help="RabbitMQ; AMQP_URL when not given.")]
Prefix = Annotated[str | None, typer.Option(help="Before every queue and exchange name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str) -> datetime:
    """Return the moment in UTC that RFC 3339 or a span of time before now (`90s`, `30m`, `2h`, `1d`, `1w`) names."""
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return parse_timestamp(text)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{error}, or a span of time before now like 30m, 2h or 1d") from None
