"""docs/connections.md names every parameter that the program decides about, with its variable."""

import re
from pathlib import Path
from typing import Final

from contracts.broker_tls import TLS_OPTIONS
from worker.settings.broker_address import IGNORED, REFUSED
from worker.settings.postgres.parameters import HONOURED, UNSUPPORTED
from worker.settings.postgres.sources import VARIABLES

PAGE: Final = (Path(__file__).parents[2] / "docs" / "connections.md").read_text()


def rows(section: str) -> list[list[str]]:
    """Return the cells of each row of a section's table, without its header."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]


def names(cell: str) -> set[str]:
    """Return the names that a cell shows as code."""
    return {name.partition("=")[0] for name in re.findall(r"`([^`]+)`", cell)}


def test_every_parameter_of_postgresql_is_in_the_table_once() -> None:
    listed = [name for row in rows("PostgreSQL") for name in names(row[0])]
    assert sorted(listed) == sorted({*HONOURED, *UNSUPPORTED})


def test_every_parameter_has_its_variable_and_its_treatment() -> None:
    for row in rows("PostgreSQL"):
        parameters = names(row[0])
        assert names(row[1]) == {VARIABLES[name] for name in parameters if VARIABLES.get(name)}
        if parameters & HONOURED.keys():
            assert row[2].startswith(" honoured")
        elif all(UNSUPPORTED[name].dropped for name in parameters):
            assert row[2].startswith(" ignored with a warning")
        else:
            assert re.search("refused|ignored", row[2])


def test_every_option_of_rabbitmq_is_in_the_table() -> None:
    listed = {name for row in rows("RabbitMQ") for name in names(row[0])}
    assert listed >= {*TLS_OPTIONS, *IGNORED, *REFUSED, "auth"}
