"""`make lost-moves`: plays sessions on engines over HTTP, and prints what the players were told and is not stored."""

import argparse
import asyncio
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Final

from tests.engine.build import build_engine
from tests.engine.contest import Contest, play_on_files, play_on_workers
from tests.engine.moves import OBJECTIVES, Losses
from tests.engine.reads import read_many
from tests.support.stage.own_stage import own_stage

COLUMNS: Final = (
    "storage",
    "of {} moves lost",
    "moves told an error",
    "completed sessions that were open again",
    "moves lost to a completion",
    "second `complete` told 200",
    "deleted sessions that are back",
)


def row(name: str, losses: Losses, sessions: int) -> str:
    """Return a row of the table."""
    cells = (
        name,
        losses.lost,
        losses.errors,
        f"{losses.reopened} of {sessions}",
        losses.overwritten,
        f"{losses.doubled} of {sessions}",
        f"{losses.revived} of {sessions}",
    )
    return f"| {' | '.join(map(str, cells))} |"


async def play(chosen: argparse.Namespace) -> bool:
    """Print the table row by row; return whether the store kept its promises."""
    header = " | ".join(COLUMNS).format(chosen.sessions * OBJECTIVES)
    print(f"| {header} |\n|{' --- |' * len(COLUMNS)}")
    is_clean = True
    with tempfile.TemporaryDirectory(prefix="engine-") as directory:
        program = await asyncio.to_thread(build_engine, Path(directory))
        losses = await play_on_files(program, Path(directory, "sessions"), chosen.sessions)
        print(row(str(Contest("file")), losses, chosen.sessions), flush=True)
        async with own_stage("lost-moves", 0) as stage:
            await stage.prepare()
            for durability, engines in product(chosen.durability, chosen.engines):
                contest = Contest("session-store", engines, chosen.workers, durability, chosen.kill)
                losses = await play_on_workers(contest, stage, program, chosen.sessions)
                print(row(str(contest), losses, chosen.sessions), flush=True)
                is_clean = is_clean and contest.is_kept(losses)
            if chosen.reads:
                print(f"\n{chosen.reads:,} reads: {await read_many(stage, program, chosen.reads)}")
    return is_clean


def main() -> int:
    """Return 0 when every promise was kept; there are fewer for `queued` on several engines."""
    parser = argparse.ArgumentParser(prog="make lost-moves", description=__doc__)
    parser.add_argument("--engines", type=int, nargs="+", default=[1, 2], help="a row each (default: 1 2)")
    parser.add_argument("--workers", type=int, default=1, help="replicas that store (default: 1)")
    parser.add_argument("--sessions", type=int, default=20, help="of each kind (default: 20)")
    kinds = ("stored", "queued")
    parser.add_argument("--durability", choices=kinds, nargs="+", default=kinds, help="rows of each (both)")
    killed = ("nobody", "workers", "engines", "broker")
    parser.add_argument("--kill", choices=killed, default="nobody", help="who is killed while they play")
    parser.add_argument("--reads", type=int, default=0, help="reads at the end; an engine's heap is printed")
    return 0 if asyncio.run(play(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
