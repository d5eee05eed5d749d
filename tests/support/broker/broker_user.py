"""A user of the broker with rights of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from yarl import URL

from deploy.local.rabbitmq import RabbitServer


@contextmanager
def broker_user(rabbit: RabbitServer, configure: str, write: str, read: str) -> Iterator[str]:
    """Yield the URL of a user with these permissions (patterns of names), who is deleted afterwards."""
    name = f"user-{token_hex(4)}"
    rabbit.ctl("add_user", name, "pw")
    rabbit.ctl("set_permissions", name, configure, write, read)
    yield str(URL(rabbit.url).with_user(name).with_password("pw"))
    rabbit.ctl("delete_user", name)
