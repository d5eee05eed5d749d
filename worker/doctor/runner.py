"""Runs the doctor's checks in their order, each at most once and in bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from worker.doctor.finding import Finding, State, error, skipped
from worker.errors import SessionStoreError

Examine = Callable[[], Awaitable[Finding]]
GRACE_SECONDS: Final = 1.0
READ_THE_LOG: Final = "read the server's log"


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name; it is skipped when one of the checks that it needs has failed."""

    name: str
    examine: Examine
    needs: Sequence[str] = ()


class Runner:
    """Keeps the findings so far, by the check's name, in order; each check has `timeout` seconds and a grace."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.findings: dict[str, Finding] = {}

    def has_failed(self, name: str) -> bool:
        """Whether a check has run and ended with an error or was skipped."""
        finding = self.findings.get(name)
        return finding is not None and finding.state in (State.ERROR, State.SKIPPED)

    async def run(self, check: Check) -> Finding:
        """Return the finding of a check; never raises for a fault of a server."""
        failed = next(filter(self.has_failed, check.needs), None)
        finding = skipped(f"needs {failed}") if failed else await self._examine(check.examine)
        self.findings[check.name] = finding
        return finding

    async def _examine(self, examine: Examine) -> Finding:
        try:
            async with asyncio.timeout(self._timeout + GRACE_SECONDS):
                return await examine()
        except TimeoutError:
            return error(f"no answer within {self._timeout:g} s", READ_THE_LOG)
        except SessionStoreError as failure:
            return error(str(failure), READ_THE_LOG)
