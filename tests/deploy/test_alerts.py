import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.grafana.generate import PANELS, main
from deploy.local.instance import PROJECT
from worker.observability.metrics import Metrics

RULES: Final = PROJECT / "deploy" / "prometheus" / "alerts.yaml"
RUNBOOKS: Final = PROJECT / "docs" / "alerts.md"
METRIC: Final = re.compile(r"\bsession_store_\w+")
SUFFIX: Final = re.compile(r"_(bucket|sum|count)$")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def exposed() -> set[str]:
    """Return the names of the series that a worker exposes, histograms without their suffix."""
    return set(Metrics("test").names)


def promtool(*words: str) -> str:
    program = shutil.which("promtool")
    assert program, "prometheus is missing; run: make test"
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_fire_when_they_should_and_are_silent_while_all_is_well() -> None:
    promtool("check", "rules", str(RULES))
    assert "SUCCESS" in promtool("test", "rules", str(RULES.with_name("alerts_test.yaml")))


def test_every_rule_watches_what_a_worker_exposes() -> None:
    watched = {SUFFIX.sub("", name) for rule in rules() for name in METRIC.findall(rule["expr"])}
    assert watched <= exposed()
    assert len(watched) > 10


def test_the_dashboard_is_as_its_source_says_and_asks_for_what_a_worker_exposes(tmp_path: Path) -> None:
    assert main(["--check"]) == 0, "run: python -m deploy.grafana.generate"
    asked = [query for _, _, queries in PANELS for query in queries.values()]
    assert {SUFFIX.sub("", name) for query in asked for name in METRIC.findall(query)} <= exposed()
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(asked)]
    queries = tmp_path / "queries.yaml"
    queries.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(queries))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"docs/alerts.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")
