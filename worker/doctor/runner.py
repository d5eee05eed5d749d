"""One round of the doctor: checks in their order, each at most once, each in bounded time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from worker.errors import SessionStoreError
from worker.finding import Finding, State, skipped, wrong

Ask = Callable[[], Awaitable[Finding]]
GRACE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """A check by its name; it is skipped when one that it `needs` has failed."""

    name: str
    ask: Ask
    needs: Sequence[str] = ()


class Round:
    """What was found so far, by the check's name, in order; each check has `timeout` seconds and a little more."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self.findings: dict[str, Finding] = {}

    def has_failed(self, name: str) -> bool:
        """Whether a check was made and found something wrong, or could not be made."""
        finding = self.findings.get(name)
        return finding is not None and finding.state in (State.WRONG, State.SKIPPED)

    async def make(self, check: Check) -> Finding:
        """Return what the check finds; never raises for what a server does."""
        failed = next(filter(self.has_failed, check.needs), None)
        finding = skipped(f"after {failed}") if failed else await self._ask(check.ask)
        self.findings[check.name] = finding
        return finding

    async def _ask(self, ask: Ask) -> Finding:
        try:
            async with asyncio.timeout(self._timeout + GRACE_SECONDS):
                return await ask()
        except TimeoutError:
            return wrong(
                f"no answer within {self._timeout:g} s", "look into the server's log for what holds it up"
            )
        except SessionStoreError as error:
            return wrong(str(error), "look into the server's log")
