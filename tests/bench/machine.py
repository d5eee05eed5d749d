"""The machine that the figures were measured on."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from deploy.local.programs import find_postgres


def describe_machine() -> dict[str, str]:
    """Return the machine, the versions, and the machine's load before the first measure."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": _first_line("/proc/cpuinfo", "model name"),
        "cores": str(os.cpu_count()),
        "memory": _first_line("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "Node": _said("node", "--version"),
        "PostgreSQL": _said(f"{find_postgres()}/postgres", "--version"),
        "RabbitMQ": _said("dpkg-query", "-W", "-f=${Version}", "rabbitmq-server"),
        "aio-pika": version("aio-pika"),
        "asyncpg": version("asyncpg"),
    }


def _first_line(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"


def _said(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "absent"
