"""The cost of signatures: `python -m tests.bench.signing` prints medians and the lowest and highest round.

A plain worker and one that enforces signatures store the same signed events in turn, with and without TLS.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import uvloop

from contracts.signing import Keyring, Signed
from contracts.topology import WRITE_KEY, Topology
from tests.bench.events import Event, make_events
from tests.bench.peers.roster import Contestant, worker_of
from tests.bench.stand import Stand, open_stand
from tests.bench.storing import Stored, store
from tests.support.servers.authority import SecureServers, reachable_directory

KEYS: Final = "k2:0f1e2d3c4b5a69788796a5b4c3d2e1f0 k1:f0e1d2c3b4a5968778695a4b3c2d1e0f"
ENFORCE: Final = {"SESSION_STORE_SIGNATURES": "enforce", "SESSION_STORE_SIGNING_KEYS": KEYS}

Rounds = dict[str, list[Stored]]


@dataclass(frozen=True, slots=True)
class OverTls(Contestant):
    """A contestant that reaches both servers by TLS, with a certificate of its own."""

    servers: SecureServers | None = None

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        """Return the environment to start it in."""
        assert self.servers is not None
        files = self.servers.database_url().partition("?")[2]
        urls = {
            "DATABASE_URL": f"{variables['DATABASE_URL']}?{files}",
            "AMQP_URL": self.servers.amqp_url(),
        }
        return {**Contestant.environment(self, variables), **urls}


def sign(event: Event) -> Event:
    """Return the event with a good signature."""
    content = Signed(Topology().sessions.name, WRITE_KEY, event.event_id, "", "", "", event.body)
    return replace(event, signature=Keyring.parse(KEYS).sign(content))


def contestants(servers: SecureServers) -> list[Contestant]:
    """Return the contestants; the others are compared with the first."""
    plain = worker_of(name="plain")
    secure = OverTls("TLS", plain.command, directory=plain.directory, program=plain.program, servers=servers)
    signed = [
        replace(each, name=name, settings=ENFORCE)
        for each, name in ((plain, "enforce"), (secure, "enforce, TLS"))
    ]
    return [plain, signed[0], secure, signed[1]]


async def measure(rounds: int, number: int) -> Rounds:
    """Return the figures of each round, by contestant."""
    async with open_stand() as stand:
        return await measure_on(stand, rounds, number)


async def measure_on(stand: Stand, rounds: int, number: int) -> Rounds:
    """Return the same on servers that run already; they use TLS from then on."""
    found: Rounds = {}
    with reachable_directory() as at:
        servers = SecureServers(at, stand.postgres, stand.rabbit)
        await asyncio.to_thread(servers.start)
        everybody = contestants(servers)
        for turn in range(rounds):
            for each in everybody if turn % 2 == 0 else reversed(everybody):
                found.setdefault(each.name, []).append(await _one(stand, each, number))
    return found


async def _one(stand: Stand, contestant: Contestant, number: int) -> Stored:
    await stand.prepare()
    stored = await store(stand, contestant, [sign(event) for event in make_events(number)])
    print(f"{contestant.name}: {stored.rate:,.0f}/s, {stored.cpu:.1f} us", file=sys.stderr, flush=True)
    return stored


def report(found: Rounds) -> str:
    """Return a line for each contestant."""
    first = next(iter(found.values()))
    lines = []
    for name, rounds in found.items():
        rates, own = [each.rate for each in rounds], [each.cpu for each in rounds]
        ratios = [each.rate / base.rate for each, base in zip(rounds, first, strict=True)]
        lines.append(
            f"{name}: {statistics.median(rates):,.0f}/s ({min(rates):,.0f} to {max(rates):,.0f}),"
            f" {statistics.median(own):.1f} us ({min(own):.1f} to {max(own):.1f}) of a worker's processor an event,"
            f" RabbitMQ {_median(each.rabbitmq for each in rounds):.1f},"
            f" PostgreSQL {_median(each.postgres for each in rounds):.1f},"
            f" ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )
    return "\n".join(lines)


def _median(figures: Iterable[float | None]) -> float:
    return statistics.median(figure for figure in figures if figure is not None)


def main(words: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=20_000, help="events a round")
    chosen = parser.parse_args(words)
    print(report(uvloop.run(measure(chosen.rounds, chosen.events))))


if __name__ == "__main__":
    main(sys.argv[1:])
