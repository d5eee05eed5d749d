"""Every attempt, as docs/threat-model.md lists them: `python -m tests.escapes.listing` prints the table."""

from collections.abc import Iterable
from typing import Final

from tests.escapes import (
    broker_attempts,
    database_attempts,
    message_attempts,
    test_broker,
    test_canary,
    test_database,
    test_messages,
)
from tests.escapes.attempt import Attempt

ATTEMPTS: Final[tuple[Attempt, ...]] = (
    *broker_attempts.BROKER_ATTEMPTS,
    *broker_attempts.NO_ENTRY,
    *test_broker.OTHER_ATTEMPTS,
    *database_attempts.DATABASE_ATTEMPTS,
    *test_database.OTHER_ATTEMPTS,
    *message_attempts.EVENT_ATTEMPTS,
    *message_attempts.REQUEST_ATTEMPTS,
    *test_messages.OTHER_ATTEMPTS,
    *test_canary.CANARY_ATTEMPTS,
)
DENIERS: Final = ("broker", "database", "worker", "host")


def table(attempts: Iterable[Attempt]) -> str:
    """Return the table, with the rows of each denier together."""
    ordered = sorted(attempts, key=lambda each: DENIERS.index(each.by))
    rows = [f"| {each.tried} | {each.by} | {each.answer} |" for each in ordered]
    return "\n".join(["| tried | denied by | how |", "| --- | --- | --- |", *rows]) + "\n"


if __name__ == "__main__":
    print(table(ATTEMPTS), end="")
