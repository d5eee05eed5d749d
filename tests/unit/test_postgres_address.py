"""The address of the database: from the URL, a service, the environment, a password file and defaults."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from worker.settings.endpoint import Endpoint
from worker.settings.postgres.address import DatabaseAddress, read_database_address

NO_HOME = Path("/nonexistent")
NOTHING_SET: Mapping[str, str] = {}


def address(url: str, environment: Mapping[str, str] = NOTHING_SET, home: Path = NO_HOME) -> DatabaseAddress:
    return read_database_address(url, environment, home)


def refusal(url: str, environment: Mapping[str, str] = NOTHING_SET, home: Path = NO_HOME) -> str:
    with pytest.raises(ValueError, match=r".") as refused:
        address(url, environment, home)
    return str(refused.value)


def hosts(found: DatabaseAddress) -> list[tuple[str, int]]:
    return [(endpoint.host, endpoint.port) for endpoint in found.endpoints]


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("postgresql://u:p@db.example/x", {"PGHOST": "other", "PGPORT": "7"}, [("db.example", 7)]),
        ("postgresql://u:p@/x", {"PGHOST": "other"}, [("other", 5432)]),
        ("postgresql://u:p@/x", {"PGHOST": "a,b", "PGPORT": "1,2"}, [("a", 1), ("b", 2)]),
        (
            "postgresql://u:p@/x",
            {"PGHOST": "::1,[::2],/run/pg"},
            [("::1", 5432), ("::2", 5432), ("/run/pg", 5432)],
        ),
        ("postgresql://u@a:1,b,[::1]:3/x", {"PGPORT": "9"}, [("a", 1), ("b", 5432), ("::1", 3)]),
        ("postgresql:///x?host=/run/pg,b&port=1,2&user=u", {}, [("/run/pg", 1), ("b", 2)]),
        ("postgresql:///x?host=a:1,[::1]:3&user=u", {}, [("a", 1), ("::1", 3)]),
        ("postgresql://u@%2Frun%2Fpg/", {}, [("/run/pg", 5432)]),
    ],
)
def test_hosts_and_ports_are_those_that_libpq_takes(
    url: str, environment: Mapping[str, str], expected: list[tuple[str, int]]
) -> None:
    assert hosts(address(url, environment)) == expected


def test_without_a_host_it_is_this_machine() -> None:
    found = address("postgresql://u:7@:6543/d")
    assert found.endpoints[-1] == Endpoint("localhost", 6543)
    assert found.destination.plaintext_hosts == []


@pytest.mark.parametrize(
    ("url", "environment", "exposed"),
    [
        ("postgresql://u:p@/d", {"PGHOST": "db"}, ["db"]),
        ("postgresql://u:p@/d", {"PGHOST": "/run/pg,db"}, ["db"]),
        ("postgresql://u:p@db/d", {"PGSSLMODE": "require"}, []),
        ("postgresql://u:p@db/d?sslmode=prefer", {"PGSSLMODE": "require"}, ["db"]),
        ("postgresql://u:p@127.0.0.1/d", {"PGHOST": "db"}, []),
        ("postgresql://u:p@db/d?ssl=true", {}, []),
        ("postgresql://u:p@db/d?sslmod=require", {}, ["db"]),
        ("postgresql://u:p@db/d", {"PGREQUIRESSL": "0"}, ["db"]),
    ],
)
def test_what_may_go_in_plain_text_follows_from_all_of_them(
    url: str, environment: Mapping[str, str], exposed: list[str]
) -> None:
    assert address(url, environment).destination.plaintext_hosts == exposed


def test_a_service_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text("# ours\n[a]\nhost=db\nport=7\nuser=me\npassword=a%b=c\nsslmode=require\n[b]\nhost=x\n")
    for url, environment in (
        ("postgresql:///d?service=a", {"PGSERVICEFILE": str(file)}),
        ("postgresql:///d", {"PGSERVICE": "a", "PGSERVICEFILE": str(file)}),
        (f"postgresql:///d?service=a&servicefile={file}", {}),
    ):
        found = address(url, {"PGHOST": "other", "PGUSER": "other", **environment})
        assert (hosts(found), found.user, found.password) == ([("db", 7)], "me", "a%b=c")
        assert found.destination.is_encrypted
    assert hosts(address("postgresql://h/d?service=a", {"PGSERVICEFILE": str(file)})) == [("h", 7)]
    said = refusal("postgresql:///d?service=c", {"PGSERVICEFILE": str(file)})
    assert said == f"asks for the service 'c', which is not in {file}"
    file.write_text("secret without a section")
    said = refusal("postgresql:///d?service=c", {"PGSERVICEFILE": str(file)})
    assert said == f"cannot be completed: {file} is not a file of services"


def test_a_password_is_read_from_the_password_file(tmp_path: Path) -> None:
    file = tmp_path / ".pgpass"
    file.write_text("other:*:*:*:x\n# c\ndb:5432:*:me:a\\:b\\\\c:d\nlocalhost:*:d:me:socket\n")
    file.chmod(0o600)
    assert address("postgresql://me@db/d", home=tmp_path).password == "a:b\\c:d"
    assert address("postgresql://me@db:1/d", home=tmp_path).password is None
    assert address("postgresql://me@%2Frun%2Fpg/d", home=tmp_path).password == "socket"
    assert address("postgresql://me@db/d", {"PGPASSFILE": str(file)}).password == "a:b\\c:d"
    assert address("postgresql://me:own@db/d", home=tmp_path).password == "own"
    assert address("postgresql://me@db/d", {"PGPASSWORD": "variable"}, tmp_path).password == "variable"
    assert "different passwords" in refusal("postgresql://me@db,other/d", home=tmp_path)


def test_a_password_file_that_others_may_read_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / ".pgpass"
    file.write_text("*:*:*:*:secret")
    file.chmod(0o644)
    assert address("postgresql://me@db/d", home=tmp_path).password is None
    said = refusal("postgresql://me@db/d", {"PGPASSFILE": str(file)})
    assert said == f"takes the password from {file}, which others may read: chmod 600 {file}"
    missing = tmp_path / "missing"
    assert str(missing) in refusal(f"postgresql://me@db/d?passfile={missing}")


@pytest.mark.parametrize(
    ("query", "environment", "named"),
    [
        ("channel_binding=require&sslmode=require", {}, "channel_binding"),
        ("", {"PGCHANNELBINDING": "require"}, "channel_binding (from PGCHANNELBINDING)"),
        ("require_auth=scram-sha-256", {}, "require_auth"),
        ("gssencmode=require", {}, "gssencmode"),
        ("hostaddr=10.0.0.1", {}, "hostaddr"),
        ("", {"PGHOSTADDR": "10.0.0.1"}, "hostaddr (from PGHOSTADDR)"),
        ("requirepeer=postgres", {}, "requirepeer"),
        ("sslcrldir=/x", {}, "sslcrldir"),
        ("replication=database", {}, "replication"),
        ("oauth_issuer=x", {}, "oauth_issuer"),
        ("sslmode=REQUIRE", {}, "sslmode"),
        ("", {"PGSSLMODE": "on"}, "sslmode (from PGSSLMODE)"),
        ("ssl=require", {}, "ssl"),
        ("sslnegotiation=direct", {}, "sslnegotiation"),
        ("target_session_attrs=master", {}, "target_session_attrs"),
        ("connect_timeout=soon", {}, "connect_timeout"),
        ("keepalives_idle=1.5", {}, "keepalives_idle"),
        ("", {"PGPORT": "x"}, "port (from PGPORT)"),
        ("", {"PGPORT": "1,2"}, "port (from PGPORT)"),
        ("ssl_min_protocol_version=TLSv9&sslmode=require", {}, "ssl_min_protocol_version"),
    ],
)
def test_a_parameter_that_cannot_be_honoured_is_refused_by_name(
    query: str, environment: Mapping[str, str], named: str
) -> None:
    assert named in refusal(f"postgresql://u:secret@h/d?{query}", environment)


@pytest.mark.parametrize(
    "query",
    [
        "channel_binding=prefer",
        "gssencmode=prefer",
        "sslsni=1",
        "client_encoding=UTF8",
        "max_protocol_version=3.2",
    ],
)
def test_a_value_that_changes_nothing_is_taken_in_silence(query: str) -> None:
    found = address(f"postgresql://u@h/d?{query}")
    assert (found.notices, found.settings) == ((), {})


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("channel_binding=require&sslmode=verify-full&sslrootcert=system", "channel_binding"),
        ("load_balance_hosts=random", "load_balance_hosts"),
        ("sslcompression=1", "sslcompression"),
        ("client_encoding=LATIN1", "client_encoding"),
    ],
)
def test_what_may_safely_be_dropped_is_dropped_and_named(query: str, named: str) -> None:
    [notice] = address(f"postgresql://u@h/d?{query}").notices
    assert notice.startswith(f"{named} is ignored: ")


def test_limits_of_the_connection_and_settings_of_the_session_are_told_apart() -> None:
    found = address(
        "postgresql://u@h/d?connect_timeout=3&keepalives_idle=5&tcp_user_timeout=7000&options=-c%20a.b%3D1"
        "&search_path=x&application_name=mine&krbsrvname=pg"
    )
    assert found.numbers == {"connect_timeout": 3, "keepalives_idle": 5, "tcp_user_timeout": 7000}
    assert found.settings == {"options": "-c a.b=1", "search_path": "x", "application_name": "mine"}
    assert found.kerberos == ("pg", "gssapi")


def test_an_address_shows_no_password() -> None:
    assert "secret" not in repr(address("postgresql://u:secret@h/d?sslpassword=secret"))
