"""A stage for each test of a fault."""

import pytest

from tests.support.stage.fixtures import back_in_time, calm_stage, draw, fault_seed, stage

__all__ = ["back_in_time", "calm_stage", "draw", "fault_seed", "stage"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long each fault kept the workers away after it was over."""
    for report in terminalreporter.stats.get("passed", []):
        for name, seconds in report.user_properties:
            if name == "back_seconds":
                terminalreporter.write_line(
                    f"back after {seconds:5.2f} s  {report.nodeid.partition('::')[2]}"
                )
