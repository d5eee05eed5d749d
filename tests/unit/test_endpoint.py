"""The hosts of a server: their addresses and open ports, and those that are this machine."""

import asyncio

import pytest

from worker.doctor.finding import State
from worker.doctor.network import check_hosts, check_ports
from worker.settings.endpoint import Destination, Endpoint


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
