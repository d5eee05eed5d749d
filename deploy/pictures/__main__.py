"""`make pictures`: draws docs/demo.svg, docs/status.png and docs/top.svg from a run of the demo under load."""

import argparse
import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from contracts.topology import Topology
from deploy.demo.__main__ import INSTANCE, run
from deploy.demo.engine import Engine, NoAnswer
from deploy.demo.report import Report
from deploy.local.errors import LocalServerError
from deploy.local.instance import LOCAL, PROJECT, servers_of
from deploy.local.ports import LOOPBACK, choose_port
from deploy.local.worker import WorkerProcess
from deploy.pictures.browser import NoBrowser, NoPicture, find_browser, take_picture
from deploy.pictures.load import play
from deploy.pictures.terminal import draw, draw_output, recording

PAGES: Final = PROJECT / "docs"
PROGRAM: Final = PROJECT / ".venv" / "bin" / "session-store"
STATUS_PAGE: Final = {"width": 1400, "height": 1150}
TOP_SECONDS: Final = 5


async def draw_demo(directory: Path) -> None:
    """Draw the output of `make demo`, and leave its servers running."""
    console, started = recording(), time.monotonic()
    report = Report(console)
    report.verdict(await run(report, kill_halfway=False), time.monotonic() - started)
    draw(console, "make demo", directory / "demo.svg")


async def draw_worker(directory: Path, seconds: float) -> None:
    """Draw the status page of a worker, and `session-store top`, after so many seconds of load."""
    servers, port = servers_of(INSTANCE), choose_port()
    worker = WorkerProcess(
        LOCAL / INSTANCE / "worker", servers, settings={"SESSION_STORE_HTTP_PORT": str(port)}
    )
    worker.start()
    try:
        async with Engine(servers.start().amqp_url, Topology()) as engine:
            await play(engine, seconds)
            playing = asyncio.create_task(play(engine, float("inf")))
            await asyncio.to_thread(_draw_pages, directory, f"http://{LOOPBACK}:{port}")
            playing.cancel()
    finally:
        worker.stop()


def _draw_pages(directory: Path, url: str) -> None:
    take_picture(url, directory / "status.png", **STATUS_PAGE)
    command = ["top", "--once", "--interval", str(TOP_SECONDS), "--url", url]
    done = subprocess.run([PROGRAM, *command], capture_output=True, text=True, check=True)
    draw_output(done.stdout, "session-store top --once", directory / "top.svg")


def main() -> int:
    """Return the exit status: 0 when all three are drawn."""
    parser = argparse.ArgumentParser(prog="make pictures", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="load before the picture (default: 300)")
    parser.add_argument("--directory", type=Path, default=PAGES, help="default: docs")
    options = parser.parse_args()
    try:
        find_browser()
        asyncio.run(draw_demo(options.directory))
        asyncio.run(draw_worker(options.directory, options.seconds))
    except (LocalServerError, NoAnswer, NoBrowser, NoPicture) as error:
        print(f"pictures: {error}", file=sys.stderr)
        return 1
    finally:
        servers_of(INSTANCE).stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
