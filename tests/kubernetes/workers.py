"""The workers of the base: their pods, a restart, an eviction, and one-off runs of the nightly jobs."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from tests.kubernetes.cluster import NAMESPACE, Cluster, Failed

SELECTOR: Final = "--selector=app.kubernetes.io/name=session-store,app.kubernetes.io/component=worker"
REPLICAS: Final = 3
WAIT: Final = "--timeout=10m"
PAUSE_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Workers:
    """The deployment `session-store` of a cluster."""

    cluster: Cluster

    async def settled(self) -> dict[str, int]:
        """Return each worker's restarts, by its pod, once three are ready and none is being deleted."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while True:
                pods = (await self.cluster.read("pods", "--namespace", NAMESPACE, SELECTOR))["items"]
                if len(pods) == REPLICAS and all(map(_serves, pods)):
                    return {each["metadata"]["name"]: _restarts(each) for each in pods}
                await asyncio.sleep(PAUSE_SECONDS)

    async def roll(self) -> None:
        """Replace every worker, one after the other."""
        await self._within("rollout", "restart", "deployment/session-store")
        await self._within("rollout", "status", "deployment/session-store", WAIT)
        await self.settled()

    async def evict(self, pod: str) -> bool:
        """Ask for a worker's eviction, as `kubectl drain` does; return whether it was granted."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
        asked = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": NAMESPACE},
        }
        words = ("create", f"--raw={path}", "--filename=-")
        done = await asyncio.to_thread(self.cluster.attempt, *words, stdin=json.dumps(asked))
        if done.returncode and "disruption budget" not in done.stderr:
            raise Failed(f"eviction of {pod}: {done.stderr.strip()}")
        return done.returncode == 0

    async def evict_once_allowed(self, pod: str) -> None:
        """Evict a worker, once that is allowed: the budget counts the last replacement a moment later."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while not await self.evict(pod):
                await asyncio.sleep(PAUSE_SECONDS)

    async def become(self, condition: str) -> None:
        """Return once every worker has a condition, such as `Ready=false`."""
        await self._within("wait", "pod", SELECTOR, f"--for=condition={condition}", WAIT)

    async def run_job(self, name: str, of: str, args: list[str] | None = None) -> str:
        """Run a nightly job at once, with other arguments if some are given; return its output."""
        words = ("create", "job", name, f"--from=cronjob/{of}", "--dry-run=client", "--output=json")
        job: dict[str, Any] = json.loads(await self._within(*words))
        if args:
            job["spec"]["template"]["spec"]["containers"][0]["args"] = args
        await self.cluster.kubectl("create", "--filename=-", stdin=json.dumps(job))
        await self._within("wait", f"job/{name}", "--for=condition=Complete", WAIT)
        return await self._within("logs", f"job/{name}")

    async def _within(self, *words: str) -> str:
        return await self.cluster.kubectl("--namespace", NAMESPACE, *words)


def _serves(pod: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions", [])}
    return "deletionTimestamp" not in pod["metadata"] and conditions.get("Ready") == "True"


def _restarts(pod: dict[str, Any]) -> int:
    return sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
