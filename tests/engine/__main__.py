"""`make lost-moves`: plays sessions on engines over HTTP, and prints what the players were told and is not stored."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.engine.build import build_engine
from tests.engine.contest import Contest, play_on_files, play_on_workers
from tests.engine.moves import OBJECTIVES, Losses
from tests.support.stage.own_stage import own_stage

COLUMNS: Final = (
    "storage",
    "of {} moves lost",
    "moves told an error",
    "completed sessions that were open again",
    "moves lost to a completion",
    "second `complete` told 200",
)


def row(name: str, losses: Losses, sessions: int) -> str:
    """Return a row of the table."""
    cells = (
        name,
        losses.lost,
        losses.errors,
        f"{losses.reopened} of {sessions}",
        f"{losses.doubled} of {sessions}",
    )
    return f"| {' | '.join(map(str, cells))} |"


async def play(chosen: argparse.Namespace) -> bool:
    """Print the table row by row; return whether the store lost nothing."""
    header = " | ".join(COLUMNS).format(chosen.sessions * OBJECTIVES)
    print(f"| {header} |\n|{' --- |' * len(COLUMNS)}")
    is_clean = True
    with tempfile.TemporaryDirectory(prefix="engine-") as directory:
        program = await asyncio.to_thread(build_engine, Path(directory))
        losses = await play_on_files(program, Path(directory, "sessions"), chosen.sessions)
        print(row(str(Contest("file")), losses, chosen.sessions), flush=True)
        async with own_stage("lost-moves", 0) as stage:
            await stage.prepare()
            for engines in chosen.engines:
                contest = Contest("session-store", engines, chosen.workers, chosen.durability)
                losses = await play_on_workers(contest, stage, program, chosen.sessions)
                print(row(str(contest), losses, chosen.sessions), flush=True)
                is_clean = is_clean and losses == Losses()
    return is_clean


def main() -> int:
    """Return 0 when nothing was lost."""
    parser = argparse.ArgumentParser(prog="make lost-moves", description=__doc__)
    parser.add_argument("--engines", type=int, nargs="+", default=[1, 2], help="a row each (default: 1 2)")
    parser.add_argument("--workers", type=int, default=1, help="replicas that store (default: 1)")
    parser.add_argument("--sessions", type=int, default=20, help="of each kind (default: 20)")
    parser.add_argument("--durability", choices=("stored", "queued"), default="stored")
    return 0 if asyncio.run(play(parser.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
