"""A broker's URL may name several hosts, as PostgreSQL's may: `amqp://user:password@one,two:5673/vhost`."""

import re
from typing import Final

_URL: Final = re.compile(
    r"(?P<scheme>[^:]*://)(?P<login>[^/?#]*@)?(?P<hosts>[^/?#@]*)(?P<rest>.*)", re.DOTALL
)


def split_hosts(url: str) -> list[str]:
    """Return one URL for each host, in the order written, each with the login, virtual host and options of all.

    A text that is no URL is returned unchanged. Raises ValueError where one of several hosts is empty.
    """
    found = _URL.fullmatch(url)
    if found is None:
        return [url]
    hosts = found["hosts"].split(",")
    if len(hosts) > 1 and not all(hosts):
        raise ValueError("must name a host before and after each comma")
    return [f"{found['scheme']}{found['login'] or ''}{host}{found['rest']}" for host in hosts]
