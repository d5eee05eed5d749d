"""Plots of the results, as SVG beside them: `python -m tests.bench.plots benchmarks.json`."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt


def plot_storing(measured: list[dict[str, Any]], path: Path) -> None:
    """Draw a bar for each contestant: events a second."""
    present = [each for each in measured if each["rounds"]][::-1]
    rates = [statistics.median(one["rate"] for one in each["rounds"]) for each in present]
    figure, axes = plt.subplots(figsize=(8, 0.5 * len(present) + 1))
    axes.barh([each["name"] for each in present], rates, color="#4477aa")
    axes.set_xlabel("events a second")
    axes.bar_label(axes.containers[0], [f"{rate:,.0f}" for rate in rates], padding=3)
    axes.set_xscale("log")
    figure.savefig(path, bbox_inches="tight")


def plot_growth(measured: list[dict[str, Any]], path: Path) -> None:
    """Draw the time of each question as the table grows."""
    rows = [one["rows"] for one in measured]
    figure, axes = plt.subplots(figsize=(8, 4))
    for name in ("read", "first_page", "deep_page", "count", "stats"):
        axes.plot(rows, [one[name] for one in measured], marker="o", label=name.replace("_", " "))
    axes.set(xscale="log", yscale="log", xlabel="rows", ylabel="milliseconds")
    axes.legend()
    figure.savefig(path, bbox_inches="tight")


def main(kept: Path) -> None:
    """Write the plots beside the results."""
    mpl.rcParams["svg.hashsalt"] = "session-store"  # the same results, the same file
    results = json.loads(kept.read_text())
    if "storing" in results:
        plot_storing(results["storing"], kept.with_name("benchmarks-storing.svg"))
    if "growth" in results:
        plot_growth(results["growth"], kept.with_name("benchmarks-growth.svg"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
