"""The dashboard: `python -m deploy.grafana.generate` writes dashboard.json, `--check` compares it."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from deploy.generated import write_or_check

PAGE: Final = Path(__file__).parent / "dashboard.json"
WIDTH, HEIGHT = 8, 8
LATENCY: Final = (
    "histogram_quantile({share}, sum by (le{by}) (rate(session_store_{name}_seconds_bucket[1m])))"
)

Queries = dict[str, str]
"""The query of each line, by the name of the line."""


def latency(name: str, by: str = "") -> Queries:
    """Return the median and the 99th percentile of a histogram."""
    grouped, legend = (f", {by}", f" {{{{{by}}}}}") if by else ("", "")
    return {
        f"p{share}{legend}": LATENCY.format(share=share / 100, by=grouped, name=name) for share in (50, 99)
    }


PANELS: Final[list[tuple[str, str, Queries]]] = [
    ("Events settled", "ops", {"{{outcome}}": "sum by (outcome) (rate(session_store_events_total[1m]))"}),
    ("Publish to commit", "s", latency("commit_lag")),
    ("Oldest event not settled", "s", {"{{instance}}": "session_store_oldest_event_seconds"}),
    (
        "Waiting in the broker",
        "short",
        {"{{queue}} {{vhost}}": "max by (vhost, queue) (session_store_queue_messages)"},
    ),
    ("Consumers", "short", {"{{queue}} {{vhost}}": "max by (vhost, queue) (session_store_queue_consumers)"}),
    (
        "Dead-lettered",
        "short",
        {"{{code}}": "sum by (code) (increase(session_store_dead_letters_total[5m])) > 0"},
    ),
    (
        "Events a batch",
        "short",
        {
            "mean": "sum(rate(session_store_batch_events_sum[1m]))"
            " / sum(rate(session_store_batch_events_count[1m]))"
        },
    ),
    ("Database, a batch", "s", latency("database")),
    ("Settling, a batch", "s", latency("settle")),
    (
        "Calls answered",
        "reqps",
        {"{{method}} {{result}}": "sum by (method, result) (rate(session_store_rpc_requests_total[1m]))"},
    ),
    ("Answering", "s", latency("rpc", "method")),
    (
        "Connections to PostgreSQL in use",
        "short",
        {"{{instance}} {{pool}}": 'session_store_pool_connections{state="used"}'},
    ),
    ("Ready", "short", {"{{instance}}": "session_store_ready"}),
    ("Not ready, because of", "short", {"{{instance}} {{part}}": "session_store_not_ready > 0"}),
    (
        "Broker reconnects",
        "short",
        {"{{instance}}": "increase(session_store_broker_reconnects_total[5m])"},
    ),
    ("Memory", "bytes", {"{{instance}}": 'process_resident_memory_bytes{job="session-store"}'}),
    ("Processor", "short", {"{{instance}}": 'rate(process_cpu_seconds_total{job="session-store"}[1m])'}),
    ("Event loop late by", "s", {"{{instance}}": "session_store_loop_delay_seconds"}),
]


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports or provisions it; its head has a choice of the data source."""
    panels = [_panel(number, *panel) for number, panel in enumerate(PANELS)]
    return {
        "templating": {
            "list": [{"name": "DS", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "title": "Session store",
        "uid": "session-store",
        "tags": ["session-store"],
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "panels": panels,
    }


def _panel(number: int, title: str, unit: str, queries: Queries) -> dict[str, Any]:
    place = {"x": number % 3 * WIDTH, "y": number // 3 * HEIGHT, "w": WIDTH, "h": HEIGHT}
    source = {"type": "prometheus", "uid": "${DS}"}
    return {
        "id": number + 1,
        "title": title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + at), "expr": query, "legendFormat": legend, "datasource": source}
            for at, (legend, query) in enumerate(queries.items())
        ],
    }


def main(words: list[str]) -> int:
    """Return 0 when the file has, or now has, the content that this program writes."""
    text = json.dumps(dashboard(), indent=1) + "\n"
    return write_or_check(PAGE, text, words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
