"""The URL of the Python client: its hosts, login and TLS are read as in the contract."""

from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from yarl import URL

from contracts.client import Misconfigured, SessionStore
from contracts.client.address import BrokerAddress
from contracts.client.connecting import open_connection
from contracts.urls import RULE


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("amqp://u:p@one/", ["amqp://u:p@one:5672/%2F?"]),
        ("amqp://one,two:5673", ["amqp://guest:guest@one:5672/%2F?", "amqp://guest:guest@two:5673/%2F?"]),
        (
            "amqps://u:a,b@one:1,[::1]:2/v%2Fw?cafile=x,y&name=engine",
            ["amqps://u:a%2Cb@one:1/v%2Fw?name=engine", "amqps://u:a%2Cb@[::1]:2/v%2Fw?name=engine"],
        ),
    ],
)
def test_each_host_gets_a_url_with_all_the_rest(url: str, each: list[str]) -> None:
    assert BrokerAddress.parse(url).urls == each


@pytest.mark.parametrize("password", ["a#b?c/d@e:f[g]%", " +&=", "\N{SNOWMAN}"])
def test_the_library_reads_the_password_that_was_meant(password: str) -> None:
    (url,) = BrokerAddress.parse(f"amqp://u:{quote(password, safe='')}@h/").urls
    assert URL(url).password == password


@pytest.mark.parametrize("url", ["amqp://one,", "amqp://u@,one/", "amqp://one,,two/"])
def test_an_empty_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="comma"):
        SessionStore(url)


@pytest.mark.parametrize("url", ["http://one,two/", "amqp://", "amqps://h/?no_verify_ssl=maybe", ""])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url "):
        SessionStore(url)


@pytest.mark.parametrize("rest", ["1#secret@h/", "secret/x@h/", "secret?x@h/", "se[cret@h/", "x@h:secret/"])
def test_a_url_with_two_readings_is_refused_with_the_rule_alone(rest: str) -> None:
    with pytest.raises(ValueError, match=r"^url ") as refused:
        SessionStore(f"amqp://u:{rest}")
    assert str(refused.value) == f"url {RULE}"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("cafile={at}/none.pem", "url names {at}/none.pem as cafile: No such file or directory"),
        ("cafile={at}", "url names {at} as cafile: Is a directory"),
        ("cacertfile={at}/empty.pem", "url names {at}/empty.pem as cafile, which holds no certificate"),
        ("certfile={at}/none.pem", "url names {at}/none.pem as certfile: No such file"),
        (
            "certfile={at}/client.pem&keyfile={at}/none.key",
            "url names {at}/none.key as keyfile: No such file",
        ),
    ],
)
async def test_a_file_of_tls_that_cannot_be_used_is_named(tmp_path: Path, query: str, said: str) -> None:
    (tmp_path / "empty.pem").write_text("")
    trustme.CA().issue_cert("a").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    address = BrokerAddress.parse(f"amqps://u:secret@127.0.0.1:1/?{query.format(at=tmp_path)}")
    with pytest.raises(Misconfigured) as refused:
        await open_connection(address, "test")
    assert str(refused.value).startswith(said.format(at=tmp_path))
    assert "secret" not in str(refused.value)


async def test_a_call_says_which_file_is_missing(tmp_path: Path) -> None:
    store = SessionStore(f"amqps://127.0.0.1:1/?cafile={tmp_path}/none.pem", timeout=0.5)
    with pytest.raises(Misconfigured, match=r"none\.pem as cafile: No such file"):
        async with store:
            await store.read("any")
