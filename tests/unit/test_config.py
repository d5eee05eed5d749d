"""The settings: the source of each value, secrets, and the message for a wrong value."""

from pathlib import Path
from typing import cast

import pytest

from tests.support.programs.environment import BROKER, DATABASE, SERVERS, Set, nothing_set, put, refusal_of
from worker.settings.config import Flags, Settings, variables
from worker.settings.loading import load
from worker.settings.urls import expand_placeholders, mask_passwords

__all__ = ["nothing_set", "put"]  # fixtures


def test_what_nobody_sets_has_its_default() -> None:
    loaded = load(SERVERS)
    settings = loaded.settings
    assert (settings.pool_size, settings.connection_timeout_ms, settings.body_limit) == (10, 5000, 1_048_576)
    assert loaded.origins == {"DATABASE_URL": "flag", "AMQP_URL": "flag"}
    assert loaded.unknown == {}


def test_every_default_obeys_its_own_rule() -> None:
    defaults = Settings().model_dump(exclude={"database_url", "amqp_url"})
    assert (
        load(cast(Flags, {**SERVERS, **defaults})).settings.model_dump(exclude={"database_url", "amqp_url"})
        == defaults
    )


def test_each_source_gives_way_to_the_one_before_it(put: Set, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    names = [f"SESSION_STORE_{name}" for name in ("POOL_SIZE", "PREFETCH", "BATCH_SIZE", "BODY_LIMIT")]
    for name in names:
        (secrets / name).write_text("5001")
    (tmp_path / ".env").write_text("".join(f"{name}=5002\n" for name in names[:3]))
    put(SESSION_STORE_SECRETS_DIR=str(secrets), **dict.fromkeys(names[:2], "503"))
    loaded = load({**SERVERS, "pool_size": 504})
    assert [loaded.origins[name] for name in names] == ["flag", "environment", ".env", str(secrets)]
    found = loaded.settings
    assert (found.pool_size, found.prefetch, found.batch_size, found.body_limit) == (504, 503, 5002, 5001)


def test_a_secret_may_be_in_systemds_directory(put: Set, tmp_path: Path) -> None:
    (tmp_path / "DATABASE_URL").write_text(DATABASE + "\n")
    (tmp_path / "AMQP_URL").write_text(BROKER)
    put(CREDENTIALS_DIRECTORY=str(tmp_path))
    loaded = load()
    assert loaded.settings.database_url.get_secret_value() == DATABASE
    assert loaded.origins == dict.fromkeys(("DATABASE_URL", "AMQP_URL"), str(tmp_path))


def test_a_secrets_directory_that_is_not_there_is_an_error(put: Set, tmp_path: Path) -> None:
    put(SESSION_STORE_SECRETS_DIR=str(tmp_path / "gone"))
    assert "gone does not exist" in refusal_of(SERVERS)


def test_a_placeholder_is_replaced_and_quoted(put: Set) -> None:
    put(PGUSER="me@home", PGPASSWORD="a/b:c?d#e %", AMQP_PASSWORD="ü")
    loaded = load(
        {
            "database_url": "postgresql://${PGUSER}:${PGPASSWORD}@localhost/d",
            "amqp_url": "amqp://u:${AMQP_PASSWORD}@localhost",
        }
    )
    assert loaded.settings.database_url.get_secret_value() == (
        "postgresql://me%40home:a%2Fb%3Ac%3Fd%23e%20%25@localhost/d"
    )
    assert loaded.settings.amqp_url.get_secret_value() == "amqp://u:%C3%BC@localhost"


def test_only_whole_placeholders_are_replaced() -> None:
    assert expand_placeholders("$A ${A ${} ${A-b} $${A}", {"A": "x"}) == "$A ${A ${} ${A-b} $x"


def test_a_placeholder_that_is_not_set_is_an_error_without_the_rest_of_the_url() -> None:
    said = refusal_of({**SERVERS, "database_url": "postgresql://u:secret@${NO_SUCH}/d"})
    assert said == "DATABASE_URL names ${NO_SUCH}, which is not set"


def test_every_missing_server_is_named() -> None:
    said = refusal_of({})
    assert [line.split()[0] for line in said.splitlines()] == ["DATABASE_URL", "AMQP_URL"]
    assert load(required=()).origins == {}


def test_every_wrong_value_is_named_with_its_rule(put: Set) -> None:
    put(SESSION_STORE_POOL_SIZE="2", SESSION_STORE_LOG_LEVEL="loud", SESSION_STORE_PREFIX="a b")
    said = refusal_of({**SERVERS, "patience_s": "long"}).splitlines()
    assert {line.split(":")[0] for line in said} == {
        "SESSION_STORE_POOL_SIZE='2'",
        "SESSION_STORE_LOG_LEVEL='loud'",
        "SESSION_STORE_PREFIX='a b'",
        "SESSION_STORE_PATIENCE_S='long'",
    }
    assert "SESSION_STORE_POOL_SIZE='2': must be greater than or equal to 3" in said


@pytest.mark.parametrize(
    ("field", "url"),
    [
        ("database_url", "mysql://u:secret@h/d"),
        ("database_url", "host=h password=secret"),
        ("database_url", ""),
        ("amqp_url", "http://u:secret@h"),
        ("amqp_url", "amqp://u:secret@"),
        ("amqp_url", "amqp://u:secret@h:99999/"),
        ("amqp_url", "amqp://u:secret@h:port/"),
        ("amqp_url", "amqp://u:secret@[h/"),
        ("amqp_url", "amqp://u:secret@h,two:port/"),
        ("amqp_url", "amqp://u:secret@h,,two/"),
        ("database_url", "postgresql://u:secret/x@h/d"),
        ("database_url", "postgresql://u:x@secret@h/d"),
        ("database_url", "postgresql://u:secret@h:secret/d"),
        ("amqp_url", "amqp://u:1#secret@h/d"),
        ("amqp_url", "amqp://u:secret[@h/d"),
    ],
)
def test_a_wrong_url_is_never_repeated(field: str, url: str) -> None:
    said = refusal_of({**SERVERS, field: url})
    assert said.startswith(field.upper())
    assert "secret" not in said


def test_the_settings_never_show_a_password() -> None:
    loaded = load(SERVERS)
    assert "secret" not in f"{loaded.settings} {loaded.settings!r} {loaded.settings.model_dump_json()}"


@pytest.mark.parametrize(
    "url",
    [
        DATABASE,
        BROKER,
        "postgresql://u:secret@h1:1,h2:2/d",
        "postgresql://u:secret@/d?host=/run/postgresql",
        "postgresql://h/d?user=u&password=secret&sslmode=require",
        "postgresql://h/d?sslpassword=secret",
        "amqps://u:sec%2Fsecret@h/?heartbeat=5",
        "postgresql://u:secret@[h/d",
    ],
)
def test_a_masked_url_keeps_all_but_the_password(url: str) -> None:
    masked = mask_passwords(url)
    assert "secret" not in masked
    assert "***" in masked
    assert masked.partition("***")[0] == url.partition("sec")[0]
    assert masked.partition("***")[2] == url.rpartition("secret")[2]


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "amqp://h", "", "postgresql://h/d?sslmode=require"])
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert mask_passwords(url) == url


def test_a_variable_that_nobody_reads_is_named_with_the_one_that_may_be_meant(put: Set) -> None:
    put(SESSION_STORE_POOLSIZE="4", SESSION_STORE_XYZZY="5", SESSION_STORE_PREFIX="p.")
    assert load(SERVERS).unknown == {
        "SESSION_STORE_POOLSIZE": "SESSION_STORE_POOL_SIZE",
        "SESSION_STORE_XYZZY": None,
    }


def test_the_variables_are_one_for_each_field() -> None:
    assert [field for field, _ in variables().values()] == list(Settings.model_fields)
    assert [name for name, (_, secret) in variables().items() if secret] == [
        "DATABASE_URL",
        "AMQP_URL",
        "SESSION_STORE_READ_DATABASE_URL",
        "SESSION_STORE_SIGNING_KEYS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    ]
