"""The doctor's visit: settings, database, broker, workers; every check once, nothing changed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from worker.doctor.answers import examine_answer
from worker.doctor.broker import BrokerChecks
from worker.doctor.database import DatabaseChecks
from worker.doctor.runner import Ask, Check, Round
from worker.doctor.security import examine_exposure, examine_secrets
from worker.doctor.settings import examine_variables
from worker.doctor.signing import examine_signatures
from worker.finding import Finding, ok, wrong
from worker.settings.config import Loaded, Settings

HELP: Final = "session-store config  # prints what is in force and where it came from"

Tell = Callable[[str, Finding], None]


@dataclass(frozen=True, slots=True)
class Terms:
    """The release that the workers should have, seconds a check may take, seconds that make a transaction long.

    With `security` it is also looked at whether the servers keep this login to what a worker needs. `policies` is a
    file of the broker's policies, or `-`.
    """

    release: str
    timeout: float
    long_after: float
    security: bool = False
    policies: Path | None = None


async def examine_installation(loaded: Loaded | str, terms: Terms, tell: Tell) -> None:
    """Tell what each check found, in order; in place of settings a text says why there are none."""
    settings = Settings() if isinstance(loaded, str) else loaded.settings
    database = DatabaseChecks(settings, terms.timeout, terms.long_after)
    broker = BrokerChecks(settings, terms.timeout, terms.policies)
    checks = [
        *_check_settings(loaded, security=terms.security),
        *database.checks(),
        *broker.checks(),
        *_check_workers(settings, terms, database, broker),
        *(_check_security(loaded, database, broker) if terms.security else ()),
    ]
    round_ = Round(terms.timeout)
    try:
        for check in sorted(checks, key=lambda check: not check.name.startswith("settings.")):
            tell(check.name, await round_.make(check))
    finally:
        await database.close()
        await broker.close()


def _check_settings(loaded: Loaded | str, *, security: bool) -> list[Check]:
    async def examine_values() -> Finding:
        return wrong(loaded, HELP) if isinstance(loaded, str) else ok("every value is within its rule")

    async def examine_names() -> Finding:
        if isinstance(loaded, str):
            raise AssertionError("asked without settings")
        return examine_variables(loaded)

    async def examine_signing() -> Finding:
        if isinstance(loaded, str):
            raise AssertionError("asked without settings")
        return examine_signatures(loaded.settings)

    values = "settings.values"
    return [
        Check(values, examine_values),
        Check("settings.variables", examine_names, (values,)),
        *([Check("settings.signatures", examine_signing, (values,))] if security or _signs(loaded) else []),
    ]


def _signs(loaded: Loaded | str) -> bool:
    """Whether somebody has begun with signatures; to do without is a choice that --security alone speaks of."""
    if isinstance(loaded, str):
        return False
    return loaded.settings.signatures != "off" or bool(loaded.settings.signing_keys.get_secret_value())


def _check_security(loaded: Loaded | str, database: DatabaseChecks, broker: BrokerChecks) -> list[Check]:
    def look(examine: Callable[[Loaded], Finding]) -> Ask:
        async def ask() -> Finding:
            if isinstance(loaded, str):
                raise AssertionError("asked without settings")
            return examine(loaded)

        return ask

    needed = ("settings.values",)
    return [
        Check("security.secrets", look(examine_secrets), needed),
        Check("security.exposure", look(examine_exposure), needed),
        *database.security_checks(),
        *broker.security_checks(),
    ]


def _check_workers(
    settings: Settings, terms: Terms, database: DatabaseChecks, broker: BrokerChecks
) -> list[Check]:
    async def examine_answers() -> Finding:
        url = settings.amqp_url.get_secret_value()
        keys = settings.signing_keys.get_secret_value()
        return await examine_answer(url, settings.prefix, keys, terms.release, terms.timeout)

    async def examine_pools() -> Finding:
        return await database.examine_connections(broker.replicas)

    return [
        Check("workers.answer", examine_answers, ("broker.alarms", "broker.consumers")),
        Check("workers.connections", examine_pools, ("database.login",)),
    ]
