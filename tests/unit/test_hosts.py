"""Several hosts in one broker's URL."""

import pytest

from contracts.client import SessionStore
from contracts.hosts import split_hosts


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("amqp://u:p@one/", ["amqp://u:p@one/"]),
        ("amqp://one,two:5673", ["amqp://one", "amqp://two:5673"]),
        (
            "amqps://u:a,b@one:1,[::1]:2,two/v,w?cafile=x,y",
            [
                "amqps://u:a,b@one:1/v,w?cafile=x,y",
                "amqps://u:a,b@[::1]:2/v,w?cafile=x,y",
                "amqps://u:a,b@two/v,w?cafile=x,y",
            ],
        ),
        ("no url, at all", ["no url, at all"]),
        ("", [""]),
    ],
)
def test_each_host_gets_a_url_with_all_the_rest(url: str, each: list[str]) -> None:
    assert split_hosts(url) == each


@pytest.mark.parametrize("url", ["amqp://one,", "amqp://u@,one/", "amqp://one,,two/"])
def test_an_empty_host_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="comma"):
        split_hosts(url)


def test_the_client_takes_several_hosts_and_refuses_another_scheme() -> None:
    SessionStore("amqp://u:p@one,two:5673/")
    with pytest.raises(ValueError, match="amqp://"):
        SessionStore("http://one,two/")


@pytest.mark.parametrize(
    "url",
    [
        "amqp://u:1#secret@h/",
        "amqp://u:secret/x@h/",
        "amqp://u:se[cret@h/",
        "amqp://u:x@h:secret/",
        "amqp://",
    ],
)
def test_the_client_refuses_a_url_with_two_readings_and_repeats_none_of_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url ") as refused:
        SessionStore(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
