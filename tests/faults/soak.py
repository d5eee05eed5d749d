"""`make soak`: one worker under steady load, and the slope of its memory."""

import argparse
import asyncio
import secrets
import sys
from time import monotonic
from typing import Final

from tests.support.programs.memory import read_kilobytes
from tests.support.stage.own_stage import own_stage
from tests.support.stage.stage import Stage

SAMPLE_SECONDS: Final = 5.0
WARM_SHARE: Final = 0.25  # of the samples, left out: caches and pools fill

Sample = tuple[float, float]
"""Minutes since the start, and resident memory in MiB."""


def slope(samples: list[Sample]) -> float:
    """Return the least-squares slope in MiB a minute."""
    minutes, sizes = zip(*samples, strict=True)
    middle, mean = sum(minutes) / len(minutes), sum(sizes) / len(sizes)
    spread = sum((minute - middle) ** 2 for minute in minutes)
    together = sum((minute - middle) * (size - mean) for minute, size in samples)
    return float(together / spread)


async def run(stage: Stage, minutes: float, rate: float) -> bool:
    """Print the slope, and return whether every promise was kept."""
    await stage.prepare()
    replica = await stage.start_replica()
    publishing = asyncio.create_task(stage.publish(int(minutes * 60 * rate), rate))
    samples: list[Sample] = []
    began = monotonic()
    while not publishing.done():
        await asyncio.wait((publishing,), timeout=SAMPLE_SECONDS)
        samples.append(((monotonic() - began) / 60, read_kilobytes(replica.pid, "VmRSS") / 1024))
        print(f"{samples[-1][0]:6.2f} min  {samples[-1][1]:7.1f} MiB", file=sys.stderr, flush=True)
    await publishing
    files = replica.count_open_files()
    report = await stage.finish()
    warm = samples[int(len(samples) * WARM_SHARE) :]
    print("\n".join(report.lines()))
    print(
        f"\n{rate:g} events/s for {minutes:g} min: memory {warm[0][1]:.1f} to {warm[-1][1]:.1f} MiB, ", end=""
    )
    print(f"slope {slope(warm):+.3f} MiB a minute; {files} open files at the end")
    print(report)
    return report.is_clean


async def play(minutes: float, rate: float) -> bool:
    """Run on servers that leave nothing behind."""
    async with own_stage("soak", secrets.randbelow(10**9)) as stage:
        return await run(stage, minutes, rate)


def main() -> int:
    """Return 0 when every promise was kept; the slope is for the reader to judge."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--rate", type=float, default=500, help="events a second (default: 500)")
    chosen = parser.parse_args()
    return 0 if asyncio.run(play(chosen.minutes, chosen.rate)) else 1


if __name__ == "__main__":
    sys.exit(main())
