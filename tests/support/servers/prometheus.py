"""A real Prometheus that watches one worker by the deployed rules, which are made faster."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from deploy.local.instance import PROJECT
from deploy.local.ports import LOOPBACK, choose_port
from tests.support.patience import LONGEST_WAIT

RULES: Final = PROJECT / "deploy" / "prometheus" / "alerts.yaml"
POLL_SECONDS: Final = 0.1
WINDOW: Final = re.compile(r"\[\d+m\]")
SETTINGS: Final = """
global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }}
rule_files: [{rules}]
scrape_configs:
  - job_name: session-store
    static_configs: [{{ targets: ["{worker}"] }}]
"""


class Prometheus:
    """The alerts and series of a Prometheus."""

    def __init__(self, address: str, http: aiohttp.ClientSession) -> None:
        self._address = address
        self._http = http
        self.seen: set[str] = set()

    async def firing(self) -> set[str]:
        """Return the names of the alerts that fire now."""
        found = await self._ask("alerts")
        names = {alert["labels"]["alertname"] for alert in found["alerts"] if alert["state"] == "firing"}
        self.seen |= names
        return names

    async def until_firing(self, names: Collection[str]) -> None:
        """Return once each of the alerts has fired since this call; they need not fire at the same time."""
        missing = set(names)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                while missing := missing - await self.firing():
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{sorted(missing)} did not fire") from None

    async def until_silent(self, names: Collection[str]) -> None:
        """Return once none of the alerts fires."""
        firing = set(names)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                while firing := await self.firing() & set(names):
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{sorted(firing)} did not clear") from None

    async def until_true(self, query: str) -> None:
        """Return once the query has a result."""
        async with asyncio.timeout(LONGEST_WAIT):
            while not (await self._ask("query", query=query))["result"]:
                await asyncio.sleep(POLL_SECONDS)

    async def until_listening(self) -> None:
        """Return once the server answers."""
        async with asyncio.timeout(LONGEST_WAIT):
            while True:
                try:
                    await self._ask("alerts")
                except aiohttp.ClientError:
                    await asyncio.sleep(POLL_SECONDS)
                else:
                    return

    async def _ask(self, path: str, **params: str) -> dict[str, Any]:
        async with self._http.get(f"http://{self._address}/api/v1/{path}", params=params) as answer:
            body = await answer.json()
        return dict(body["data"])


def rules() -> list[dict[str, Any]]:
    """Return the deployed rules."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def make_quick(rule: dict[str, Any], windows: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    """Return the rule without its `for`, with a window of seconds, and with another limit if one is given."""
    expression = WINDOW.sub(f"[{windows.get(rule['alert'], '10s')}]", rule["expr"])
    if limit := limits.get(rule["alert"]):
        head, sign, _ = expression.rpartition("> ")
        expression = head + sign + limit
    return {**rule, "expr": expression, "for": "0s"}


@asynccontextmanager
async def watching(
    directory: Path, worker: str, windows: dict[str, str], limits: dict[str, str]
) -> AsyncIterator[Prometheus]:
    """Yield a new Prometheus that scrapes the worker at `host:port`; it ends with the context."""
    quick = [make_quick(rule, windows, limits) for rule in rules()]
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "quick", "rules": quick}]}))
    settings = directory / "prometheus.yaml"
    settings.write_text(SETTINGS.format(rules=directory / "rules.yaml", worker=worker))
    address = f"{LOOPBACK}:{choose_port()}"
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={settings}",
            f"--storage.tsdb.path={directory / 'series'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            prometheus = Prometheus(address, http)
            await prometheus.until_listening()
            yield prometheus
    finally:
        process.kill()
        await process.wait()
