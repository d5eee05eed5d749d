"""Plans of the statements, as PostgreSQL ran them."""

import json
from typing import Any

import asyncpg

import sql

Plan = dict[str, Any]


async def explain(reader: asyncpg.Connection, name: str, *values: object) -> Plan:
    """Return the plan of a statement as it ran."""
    question = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql.statement(name)}"
    plan: Plan = json.loads(await reader.fetchval(question, *values))[0]["Plan"]
    return plan


def nodes_of(plan: Plan) -> list[Plan]:
    """Return the plan's nodes that ran."""
    inner = [node for child in plan.get("Plans", []) for node in nodes_of(child)]
    return [node for node in (plan, *inner) if node["Actual Loops"]]


def indexes_of(plan: Plan) -> set[str]:
    """Return the indexes that were read."""
    return {node["Index Name"] for node in nodes_of(plan) if "Index Name" in node}


def scans_of(plan: Plan) -> list[str]:
    """Return the tables that were read from one end to the other."""
    return [node["Relation Name"] for node in nodes_of(plan) if node["Node Type"] == "Seq Scan"]


def buffers_of(plan: Plan) -> int:
    """Return the number of pages that were read, in memory or not."""
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
