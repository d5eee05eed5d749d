"""The engine of the tests, compiled against the client like the engines of its users."""

import json
import shutil
from pathlib import Path
from typing import Final

from tests.typescript.node import PACKAGE, install_dependencies, run_node

APP: Final = Path(__file__).parent / "app"
PROGRAM: Final = "main.js"
COMPILER: Final = str(PACKAGE / "node_modules" / ".bin" / "tsc")


def build_engine(directory: Path) -> Path:
    """Build the engine in an empty directory with a copy of the client; return the program for `node`."""
    install_dependencies()
    client = directory / "node_modules" / "session-store-client"
    run_node(COMPILER, "-p", "tsconfig.build.json", "--outDir", str(client / "dist" / "esm"))
    shutil.copy(PACKAGE / "package.json", client)
    for name in ("amqplib", "@types"):
        (directory / "node_modules" / name).symlink_to(PACKAGE / "node_modules" / name)
    shutil.copytree(APP, directory, dirs_exist_ok=True)
    (directory / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    run_node(COMPILER, "-p", ".", directory=directory)
    return directory / PROGRAM
