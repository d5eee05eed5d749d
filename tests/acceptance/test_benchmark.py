"""The benchmark measures and reports; people judge the figures, not a test."""

import json
import subprocess
import sys
from pathlib import Path

from deploy.local.instance import PROJECT
from tests.support.selection import long

GROUPS = ("storing", "latency", "answering", "growth", "feed", "signing")


@long("the benchmark measures for a minute")
def test_a_quick_look_measures_every_group_and_names_who_is_absent(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "tests.bench", "--quick", "--only", *GROUPS, "--report", str(tmp_path)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    results = json.loads((tmp_path / "benchmarks.json").read_text())
    ours, *others = results["storing"]
    assert (ours["name"], len(ours["rounds"])) == ("session-store", 1)
    assert all(each["missing"] or len(each["rounds"]) == 1 for each in others)
    assert {one["name"] for one in results["answering"]} >= {"echo", "session.read", "session.stats"}
    assert [one["rows"] for one in results["growth"]] == [10_000]
    assert {(one["rate"], one["confirmed"]) for one in results["latency"]} == {
        (rate, confirmed) for rate in (100, 1_000) for confirmed in (False, True)
    }
    assert [len(rounds) for group in ("feed", "signing") for rounds in results[group].values()] == [1] * 6
    report = (tmp_path / "benchmarks.md").read_text()
    assert "## Goals" in report
    for each in others:
        assert each["name"] in report
