"""Options that several commands have."""

from typing import Annotated

import typer

DatabaseUrl = Annotated[str | None, typer.Option(help="PostgreSQL; DATABASE_URL when not given.")]
AmqpUrl = Annotated[str | None, typer.Option(help="RabbitMQ; AMQP_URL when not given.")]
Prefix = Annotated[str | None, typer.Option(help="Before every queue and exchange name.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
