"""Finds remains of the storage plugin: replaced objects, and rows with times that no answer can represent."""

from typing import Final

from worker.doctor.commands import psql
from worker.doctor.database.schema import OWNER
from worker.doctor.finding import Finding, ok, warning
from worker.store.examination.database import ExaminedDatabase

NEAREST: Final = "least(greatest({0}, '0001-01-01Z'), '9999-12-31 23:59:59.999999Z')"
CHANGE: Final = "UPDATE sessions SET {0} = {1} WHERE {0} <> {1}"


async def check_adoption(database: ExaminedDatabase) -> Finding:
    """Name the replaced objects of the original plugin, and the change that your own SQL needs."""
    replaced = await database.replaced_objects()
    if not replaced:
        return ok("no object of another program was replaced")
    return ok(
        "of the original plugin migrate replaced "
        + "; ".join(f"{each.name}: {each.instead}" for each in replaced)
    )


async def check_times(database: ExaminedDatabase) -> Finding:
    """Find rows whose times no answer can hold."""
    found = await database.odd_times()
    if found.sessions:
        columns = sorted({column for each in found.sessions for column in each.columns.split(", ")})
        return warning(
            f"times before the year 1 or after 9999, of which answers have the nearest they can hold: {found}",
            psql(*map(_change, columns), run_as=OWNER),
        )
    if not found.is_complete:
        return ok(
            "answers can hold every start and completion; the table is too large to look at created_at and updated_at"
        )
    return ok("answers can hold every time")


def _change(column: str) -> str:
    return CHANGE.format(column, NEAREST.format(column))
