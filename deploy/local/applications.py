"""The Erlang applications that a RabbitMQ node without plugins loads.

Erlang looks for each module in one directory of its code path after the other, and RabbitMQ's code path has all of
its plugins: a node of 3.10.8 loads 900 modules from 90 directories, and tries to open 55,000 files that do not
exist. With its own applications alone it starts in half the time, and with half the processor time.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOTS: Final = ("rabbit", "rabbitmq_prelaunch")
_USED: Final = re.compile(r"\{applications,\s*\[([^\]]*)\]")
_NAME: Final = re.compile(r"\w+")


def link_applications(plugins: Path, links: Path) -> bool:
    """Have `links` hold a link to each application that a node needs, and nothing else.

    `plugins` is RabbitMQ's own directory of applications and plugins. Returns False, and links nothing, where it
    does not hold RabbitMQ's applications as directories: other packages may lay them out otherwise.
    """
    places = {path.parent.name.partition("-")[0]: path.parent for path in plugins.glob("*/ebin")}
    if not all(root in places for root in _ROOTS):
        return False
    links.mkdir(exist_ok=True)
    for link in links.iterdir():
        link.unlink()
    for name in _needed(places):
        (links / places[name].name).symlink_to(places[name])
    return True


def _needed(places: dict[str, Path]) -> Iterator[str]:
    """Yield the applications of RabbitMQ that a node uses; those of Erlang are found where Erlang is."""
    names, seen = list(_ROOTS), set[str]()
    while names:
        name = names.pop()
        if name in places and name not in seen:
            seen.add(name)
            yield name
            names += _used_by(places[name] / "ebin" / f"{name}.app")


def _used_by(resource_file: Path) -> list[str]:
    found = _USED.search(resource_file.read_text(encoding="utf-8"))
    return _NAME.findall(found[1]) if found else []
