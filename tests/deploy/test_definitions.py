import json
from pathlib import Path

from contracts.topology import Topology
from deploy.local.rabbitmq import RabbitServer
from deploy.rabbitmq.generate import definitions, main
from tests.support.servers.running import delete_topology, unique_prefix
from worker.broker.topology import check_topology


def test_the_file_is_as_its_source_says() -> None:
    assert main(["--check"]) == 0, "run: python -m deploy.rabbitmq.generate"


async def test_a_broker_that_imports_the_definitions_has_the_topology(
    rabbit_server: RabbitServer, tmp_path: Path
) -> None:
    topology = Topology(unique_prefix())
    page = tmp_path / "definitions.json"
    page.write_text(json.dumps(definitions(topology)))
    rabbit_server.ctl("import_definitions", str(page))
    assert await check_topology(rabbit_server.url, topology) == {}
    await delete_topology(rabbit_server.url, topology)
