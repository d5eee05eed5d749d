"""One run of the doctor: settings, database, broker, workers; every check once, nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from worker.doctor.broker.checks import BrokerChecks
from worker.doctor.database.checks import DatabaseChecks
from worker.doctor.finding import Finding, error, ok
from worker.doctor.runner import Check, Runner
from worker.doctor.settings import check_exposure, check_secrets, check_signatures, check_variables
from worker.doctor.workers import check_answer
from worker.settings.config import Settings
from worker.settings.loading import Loaded

VALUES: Final = "settings.values"
SHOW_SETTINGS: Final = "session-store config  # prints the settings in force and where each comes from"

Report = Callable[[str, Finding], None]


@dataclass(frozen=True, slots=True)
class Scope:
    """The scope of a run: the release that workers should have, seconds for a check, seconds of a long transaction.

    With `security` it also checks that the servers restrict this login to the rights of a worker.
    `policies` is a file with the broker's policies, or `-`.
    """

    release: str
    timeout: float
    long_after: float
    security: bool = False
    policies: Path | None = None


async def examine_installation(loaded: Loaded | str, scope: Scope, report: Report) -> None:
    """Report each check's finding, in order; a text in place of settings is the reason why they are missing."""
    settings = Settings() if isinstance(loaded, str) else loaded.settings
    database = DatabaseChecks(settings, scope.timeout, scope.long_after)
    broker = BrokerChecks(settings, scope.timeout, scope.policies)
    checks = [
        *_settings_checks(loaded, security=scope.security),
        *database.checks(),
        *broker.checks(),
        *_worker_checks(settings, scope, database, broker),
        *(_security_checks(loaded, database, broker) if scope.security else ()),
    ]
    runner = Runner(scope.timeout)
    try:
        for check in sorted(checks, key=lambda check: not check.name.startswith("settings.")):
            report(check.name, await runner.run(check))
    finally:
        await database.close()
        await broker.close()


def _settings_checks(loaded: Loaded | str, *, security: bool) -> list[Check]:
    async def check_values() -> Finding:
        return error(loaded, SHOW_SETTINGS) if isinstance(loaded, str) else ok("every value follows its rule")

    signatures = _settings_check("settings.signatures", loaded, lambda it: check_signatures(it.settings))
    return [
        Check(VALUES, check_values),
        _settings_check("settings.variables", loaded, check_variables),
        *([signatures] if security or _signs(loaded) else []),
    ]


def _settings_check(name: str, loaded: Loaded | str, check: Callable[[Loaded], Finding]) -> Check:
    """Return a check of settings that could be read."""

    async def examine() -> Finding:
        if isinstance(loaded, str):
            raise AssertionError("asked without settings")
        return check(loaded)

    return Check(name, examine, (VALUES,))


def _signs(loaded: Loaded | str) -> bool:
    """Whether signatures are in use; an installation without them is a choice that only --security reports."""
    if isinstance(loaded, str):
        return False
    return loaded.settings.signatures != "off" or bool(loaded.settings.signing_keys.get_secret_value())


def _security_checks(loaded: Loaded | str, database: DatabaseChecks, broker: BrokerChecks) -> list[Check]:
    return [
        _settings_check("security.secrets", loaded, check_secrets),
        _settings_check("security.exposure", loaded, check_exposure),
        *database.security_checks(),
        *broker.security_checks(),
    ]


def _worker_checks(
    settings: Settings, scope: Scope, database: DatabaseChecks, broker: BrokerChecks
) -> list[Check]:
    async def check_pools() -> Finding:
        return await database.check_connections(broker.replicas)

    answer = partial(check_answer, settings, scope.release, scope.timeout)
    return [
        Check("workers.answer", answer, ("broker.alarms", "broker.consumers")),
        Check("workers.connections", check_pools, ("database.login",)),
    ]
