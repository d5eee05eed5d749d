"""A file of TLS that cannot be used is named with its fault."""

import ssl
from pathlib import Path

import pytest
import trustme

from worker.settings.broker_address import read_broker_address
from worker.settings.postgres.address import read_database_address


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with an authority, a client's certificate with its key, and another key."""
    at = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(at / "ca.pem")
    authority.issue_cert("a").private_key_and_cert_chain_pem.write_to_path(at / "client.pem")
    authority.issue_cert("b").private_key_pem.write_to_path(at / "other.key")
    (at / "empty.pem").write_text("")
    (at / "folder").mkdir()
    return at


def database_context(
    query: str, home: Path = Path("/nonexistent"), **environment: str
) -> ssl.SSLContext | None:
    return read_database_address(f"postgresql://u@h/d?{query}", environment, home).tls.context()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sslmode=verify-full&sslrootcert={at}/none.pem", "names {at}/none.pem as sslrootcert: No such file"),
        ("sslmode=require&sslrootcert={at}/folder", "names {at}/folder as sslrootcert: Is a directory"),
        (
            "sslmode=verify-ca&sslrootcert={at}/empty.pem",
            "names {at}/empty.pem as sslrootcert, which holds no",
        ),
        (
            "sslmode=verify-full&sslrootcert={at}/ca.pem&sslcert={at}/none",
            "names {at}/none as sslcert: No such file",
        ),
        (
            "sslmode=require&sslcert={at}/client.pem&sslkey={at}/other.key",
            "{at}/other.key as sslkey, which do not",
        ),
        (
            "sslmode=require&sslcert={at}/ca.pem",
            "{at}/ca.pem as sslcert and {at}/ca.pem as sslkey, which do not",
        ),
        ("sslmode=require&sslcrl={at}/empty.pem", "names {at}/empty.pem as sslcrl, which holds no list"),
        (
            "sslmode=verify-full",
            "names no root certificate, and there is none at /nonexistent/.postgresql/root.crt",
        ),
        (
            "sslmode=require&sslrootcert=system",
            "sslrootcert=system, which is safe with sslmode=verify-full alone",
        ),
    ],
)
def test_the_database_is_told_from_its_files(files: Path, query: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        database_context(query.format(at=files))
    assert said.format(at=files) in str(refused.value)


def test_a_file_that_a_variable_names_is_named_with_the_variable(files: Path) -> None:
    with pytest.raises(ValueError, match=r"as sslrootcert \(from PGSSLROOTCERT\): No such file"):
        database_context("sslmode=verify-full", PGSSLROOTCERT=str(files / "none"))


def test_the_authorities_of_the_machine_verify_the_host() -> None:
    for query in ("sslrootcert=system", "sslrootcert=system&sslmode=verify-full"):
        context = database_context(query)
        assert context
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_home_has_the_files_that_nothing_names(files: Path, tmp_path: Path) -> None:
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    (folder / "root.crt").write_bytes((files / "ca.pem").read_bytes())
    context = database_context("sslmode=require", tmp_path)
    assert context
    assert context.verify_mode is ssl.CERT_REQUIRED  # as libpq does where a root certificate exists
    (folder / "postgresql.crt").write_text("")
    with pytest.raises(ValueError, match=f"{folder}/postgresql.crt as sslcert"):
        database_context("sslmode=require", tmp_path)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("cafile={at}/none.pem", "names {at}/none.pem as cafile: No such file"),
        ("cacertfile={at}/none.pem", "names {at}/none.pem as cafile: No such file"),
        ("cafile={at}/empty.pem", "names {at}/empty.pem as cafile, which holds no certificate"),
        ("certfile={at}/client.pem&keyfile={at}/other.key", "{at}/other.key as keyfile, which do not hold"),
        ("cadata=%2A", "cadata that cannot be read"),
        ("cafle={at}/ca.pem", "has an unknown option 'cafle'"),
        ("no_verify_ssl=maybe", "asks for an unknown no_verify_ssl"),
        ("auth=gssapi", "asks for an unknown auth"),
        ("password=x", "asks for password, which is not supported"),
    ],
)
def test_the_broker_is_told_from_its_options(files: Path, query: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read_broker_address(f"amqps://u:secret@h/?{query.format(at=files)}").context()
    assert said.format(at=files) in str(refused.value)


@pytest.mark.parametrize(
    ("query", "verifies"),
    [
        ("", True),
        ("no_verify_ssl=0", True),
        ("no_verify_ssl=false", True),
        ("no_verify_ssl=1", False),
        ("verify=verify_peer", True),
        ("verify=verify_none", False),
    ],
)
def test_the_brokers_certificate_is_compared_unless_somebody_says_no(query: str, verifies: bool) -> None:
    context = read_broker_address(f"amqps://h/?{query}").context()
    assert context
    assert (context.verify_mode is ssl.CERT_REQUIRED) is verifies
    assert context.check_hostname is verifies


def test_what_the_broker_is_asked_for_in_vain_is_named() -> None:
    address = read_broker_address("amqp://u:p@a,[::1]:7/x%2Fy?heartbeat=9&cafile=x")
    assert [notice.partition(" is ")[0] for notice in address.notices] == ["heartbeat", "cafile"]
    assert address.urls() == ["amqp://u:p@a:5672/x%2Fy?auth=plain", "amqp://u:p@[::1]:7/x%2Fy?auth=plain"]
    assert (address.vhost, address.destination.plaintext_hosts) == ("x/y", ["a"])
