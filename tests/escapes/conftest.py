import secrets
from collections.abc import Iterator

import pytest

from contracts.access import USERS
from deploy.local.postgres import PostgresServer
from deploy.local.rabbitmq import RabbitServer
from deploy.rabbitmq.installation import VHOSTS
from tests.escapes.walls import Walls, build
from tests.support.programs.installation import executed_workers
from tests.support.servers.layouts import Templates

__all__ = ["executed_workers"]


@pytest.fixture(scope="package")
def walls(
    rabbit_server: RabbitServer,
    postgres_server: PostgresServer,
    templates: Templates,
    layout: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Walls]:
    """Yield an installation with restricted logins alone."""
    database = f"escapes_{secrets.token_hex(4)}"
    postgres_server.create_database(database, templates.name_of(postgres_server, layout))
    yield build(rabbit_server, postgres_server, database, tmp_path_factory.mktemp("passwords"))
    postgres_server.drop_database(database)
    for vhost in VHOSTS:
        rabbit_server.ctl("delete_vhost", vhost)
    for user in USERS:
        rabbit_server.ctl("delete_user", user.name)
