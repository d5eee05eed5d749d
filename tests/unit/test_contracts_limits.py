"""Each constant that worker, clients and brokers share is defined once."""

import re
from pathlib import Path
from types import ModuleType
from typing import Final

from contracts import topology
from contracts.generate.constants import constants_of, render_constants
from contracts.limits import MAX_MESSAGE_BYTES

PROJECT: Final = Path(__file__).parents[2]
SOURCES: Final = PROJECT / "contracts" / "typescript" / "src"
GENERATED: Final = ("limits.ts", "topology.ts")


def test_every_broker_of_ours_takes_messages_up_to_the_same_size() -> None:
    texts = {
        path: path.read_text("utf-8")
        for path in (PROJECT / "deploy").rglob("*")
        if path.suffix in (".py", ".conf", ".yaml")
    }
    sizes = {
        path: size for path, text in texts.items() for size in re.findall(r"max_message_size = (\d+)", text)
    }
    assert len(sizes) >= 2
    assert set(sizes.values()) == {str(MAX_MESSAGE_BYTES)}


def test_integers_beyond_those_of_javascript_and_texts_are_written_as_its_literals() -> None:
    module = ModuleType("contracts.example")
    module.__dict__.update(SMALL=2**53 - 1, LARGE=2**53, LEAST=-(2**63), NAME="it's", _HIDDEN=1, other=2)
    assert render_constants(module).splitlines()[2:] == [
        "export const SMALL = 9007199254740991",
        "export const LARGE = 9007199254740992n",
        "export const LEAST = -9223372036854775808n",
        r"export const NAME = 'it\'s'",
    ]


def test_the_typescript_client_spells_no_name_of_the_topology_itself() -> None:
    names = [name for name in constants_of(topology).values() if isinstance(name, str) and "." in name]
    spelled = {
        (path.name, name)
        for path in SOURCES.glob("*.ts")
        if path.name not in (*GENERATED, "messages.ts")
        for name in names
        if re.search(rf"['`]{re.escape(name)}\W", path.read_text("utf-8"))
    }
    assert spelled == set()
