"""The check of a server's address is the same for each of its sources: URL, variables and secrets."""

from pathlib import Path

import pytest

from tests.support.programs.environment import BROKER, DATABASE, SERVERS, Set, nothing_set, put, refusal_of
from worker.errors import ConfigurationError
from worker.settings.config import Flags
from worker.settings.loading import load
from worker.settings.reloading_url import ReloadingUrl

__all__ = ["nothing_set", "put"]  # fixtures


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"PGHOST": "h"}, "postgresql://postgres@h:5432/postgres"),
        ({"PGUSER": "me"}, "postgresql://me@localhost:5432/me"),
        ({"PGDATABASE": "d", "PGPORT": "7"}, "postgresql://postgres@localhost:7/d"),
        (
            {"PGUSER": "a@b", "PGPASSWORD": "c/d", "PGDATABASE": "e f"},
            "postgresql://a%40b:c%2Fd@localhost:5432/e%20f",
        ),
        ({"PGHOST": "/run/postgresql"}, "postgresql://postgres@%2Frun%2Fpostgresql:5432/postgres"),
        ({"PGHOST": "a,b", "PGPORT": "1,2"}, "postgresql://postgres@a:1,b:2/postgres"),
        ({"PGHOST": "::1,[::2]:3"}, "postgresql://postgres@[::1]:5432,[::2]:3/postgres"),
        ({"PGSERVICE": "s", "PGHOST": "h"}, "postgresql://"),
    ],
)
def test_libpqs_variables_stand_in_for_the_url(put: Set, variables: dict[str, str], url: str) -> None:
    put(**variables)
    loaded = load({"amqp_url": BROKER}, required=())
    assert loaded.settings.database_url.get_secret_value() == url
    assert loaded.origins["DATABASE_URL"] == "PGHOST and related variables"
    assert load(SERVERS, required=()).settings.database_url.get_secret_value() == DATABASE


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PGPASSWORD": "secret\udcff"}, "takes a value from PGPASSWORD, which is not UTF-8 text"),
        ({"PGHOST": "a,,b"}, "must name a host before and after each comma of host (from PGHOST)"),
        (
            {"PGHOST": "a", "PGPORT": "x"},
            "has a wrong port (from PGPORT): a port is a number from 1 to 65535",
        ),
        (
            {"PGHOST": "a,b,c", "PGPORT": "1,2"},
            "has 2 ports in port (from PGPORT) for 3 hosts in host (from PGHOST)",
        ),
    ],
)
def test_a_wrong_variable_of_libpq_is_named(put: Set, variables: dict[str, str], said: str) -> None:
    put(**variables)
    assert refusal_of({"amqp_url": BROKER}) == f"PGHOST and related variables: {said}"


def test_a_server_is_judged_by_all_that_decides_where_it_is(put: Set) -> None:
    put(PGHOST="db.example")
    said = refusal_of(
        {**SERVERS, "database_url": "postgresql://u:secret@/d", "amqp_url": "amqp://u:secret@mq"}
    )
    database, broker = said.splitlines()
    assert database.startswith(
        "DATABASE_URL leads to db.example in plain text; ask for TLS: ?sslmode=verify-full"
    )
    assert broker.startswith("AMQP_URL leads to mq in plain text; ask for TLS: amqps://")
    put(SESSION_STORE_READ_DATABASE_URL="postgresql://u:secret@/d")
    assert refusal_of(SERVERS).startswith("SESSION_STORE_READ_DATABASE_URL leads to db.example in plain text")
    put(PGSSLMODE="require")
    assert load(SERVERS).notices == ()
    put(SESSION_STORE_ALLOW_PLAIN_TEXT="true", PGSSLMODE="disable")
    assert load(SERVERS).notices == ()


def test_a_command_is_judged_by_the_servers_that_it_uses() -> None:
    away: Flags = {"database_url": DATABASE, "amqp_url": "amqp://u:secret@mq/"}
    assert load(away, ["DATABASE_URL"]).notices == ()
    assert load(away, ()).notices == ()
    with pytest.raises(ConfigurationError, match="AMQP_URL leads to mq in plain text"):
        load(away, ["AMQP_URL"])


def test_what_a_url_asks_for_in_vain_is_noticed() -> None:
    loaded = load(
        {"database_url": f"{DATABASE}?load_balance_hosts=random", "amqp_url": f"{BROKER}?heartbeat=9"}
    )
    assert [notice.partition(" is ignored")[0] for notice in loaded.notices] == [
        "DATABASE_URL: load_balance_hosts",
        "AMQP_URL: heartbeat",
    ]


def test_an_address_follows_its_secret_and_keeps_the_last_good_one(put: Set, tmp_path: Path) -> None:
    file = tmp_path / "DATABASE_URL"
    file.write_text(DATABASE)
    put(SESSION_STORE_SECRETS_DIR=str(tmp_path))
    address = ReloadingUrl(load({"amqp_url": BROKER}), "database_url")
    assert address() == DATABASE
    changed = "postgresql://u:changed@localhost:5/d"
    file.write_text(changed)
    assert address() == changed
    for wrong in ("nonsense", "postgresql://u:changed@another.example/d", f"{changed}?sslmode=verify-full"):
        file.write_text(wrong)
        assert address() == changed
    file.unlink()
    assert address() == changed
