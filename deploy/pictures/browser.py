"""Takes a picture of a page by Chromium without a window."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")
QUIET: Final = (
    "--headless",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
WAIT_SECONDS: Final = 120.0


class NoBrowser(Exception):
    """This machine has no Chromium."""


class NoPicture(Exception):
    """The browser wrote no picture; the text is its own output."""


def find_browser() -> str:
    """Return the path of Chromium; raises NoBrowser."""
    for name in NAMES:
        if found := shutil.which(name):
            return found
    raise NoBrowser("Chromium is missing: install the package chromium")


def take_picture(url: str, path: Path, *, width: int, height: int) -> None:
    """Write a page as a PNG of this size in pixels; raises NoBrowser or NoPicture."""
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # root has no user namespace to lose
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                find_browser(),
                *QUIET,
                *sandbox,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={path}",
                url,
            ],
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            check=False,
        )
    if not path.is_file():
        raise NoPicture(done.stderr.strip() or f"{url}: exit status {done.returncode}")
