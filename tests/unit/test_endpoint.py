"""Where a URL leads, by libpq's rules and AMQP's."""

import asyncio
from urllib.parse import urlsplit

import pytest

from worker.doctor.finding import State
from worker.doctor.network import check_hosts, check_ports
from worker.settings.endpoint import Destination, Endpoint, read_amqp_url, read_database_url
from worker.settings.urls import move_hosts_to_query


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db.example/x", Destination((Endpoint("db.example", 5432),), "u", "x", False)),
        (
            "postgres://u%40a:p%2F@a:1,b,[::1]:3/x%20y?sslmode=verify-full",
            Destination((Endpoint("a", 1), Endpoint("b", 5432), Endpoint("::1", 3)), "u@a", "x y", True),
        ),
        (
            "postgresql:///x?host=/run/pg,b&port=1,2&user=u",
            Destination((Endpoint("/run/pg", 1), Endpoint("b", 2)), "u", "x", False),
        ),
        ("postgresql://u@%2Frun%2Fpg/", Destination((Endpoint("/run/pg", 5432),), "u", "u", False)),
        ("postgresql://", Destination((), "", "", False)),
    ],
)
def test_a_database_url_leads_where_the_driver_goes(url: str, expected: Destination) -> None:
    assert read_database_url(url) == expected
    assert read_database_url(move_hosts_to_query(url)) == expected


@pytest.mark.parametrize(
    ("url", "moved"),
    [
        (
            "postgresql://u:p@a:1,[::1]:3/x?sslmode=require",
            "postgresql://u:p@/x?host=a:1,[::1]:3&sslmode=require",
        ),
        ("postgresql://[::1],[::2]/x", "postgresql:///x?host=[::1],[::2]"),
        ("postgresql://a,[::1]", "postgresql:///?host=a,[::1]"),
        ("postgresql://u@[::1]:5/x", "postgresql://u@[::1]:5/x"),
        ("postgresql://a,b/x", "postgresql://a,b/x"),
    ],
)
def test_hosts_that_not_every_python_reads_are_an_option(url: str, moved: str) -> None:
    assert move_hosts_to_query(url) == moved
    urlsplit(moved)


@pytest.mark.parametrize("url", ["postgresql://a:x/d", "postgresql://a:70000/d", "postgresql://[a/d"])
def test_what_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_database_url(url)


async def test_a_closed_port_is_found_behind_an_open_one() -> None:
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        to = Destination((Endpoint("127.0.0.1", port), Endpoint("127.0.0.1", 1)), "", "", False)
        finding, own = await check_ports(to, "AMQP_URL", 5.0)
    assert (finding.state, finding.message) == (State.WARNING, "127.0.0.1:1: connection refused")
    assert own == "127.0.0.1"


async def test_a_word_that_is_no_host_has_no_address() -> None:
    finding = await check_hosts(
        Destination((Endpoint("x" * 64, 1), Endpoint("a..b", 1)), "", "", False), "AMQP_URL", 5.0
    )
    assert finding.state is State.ERROR


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("amqp://u:p@b", Destination((Endpoint("b", 5672),), "u", "/", False)),
        ("amqps://b/", Destination((Endpoint("b", 5671),), "guest", "/", True)),
        (
            "amqp://u:p@one,two:7,[::1]/eu?heartbeat=9",
            Destination((Endpoint("one", 5672), Endpoint("two", 7), Endpoint("::1", 5672)), "u", "eu", False),
        ),
        ("amqp://u:p@[::1]:1/%2Feu", Destination((Endpoint("::1", 1),), "u", "/eu", False)),
    ],
)
def test_an_amqp_url_leads_where_the_client_goes(url: str, expected: Destination) -> None:
    assert read_amqp_url(url) == expected


@pytest.mark.parametrize(
    ("host", "is_here"),
    [
        ("127.0.0.9", True),
        ("::1", True),
        ("/run/pg", True),
        ("localhost", True),
        ("10.0.0.1", False),
        ("b", False),
    ],
)
def test_what_stays_on_this_machine_is_known(host: str, is_here: bool) -> None:
    assert Endpoint(host, 1).is_here is is_here
