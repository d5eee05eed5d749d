"""Writes schemas, AsyncAPI document and TypeScript constants: `python -m contracts.generate [--check]`."""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from .. import limits, topology, urls
from .asyncapi import build_document
from .constants import render_constants
from .schemas import build_schemas

CONTRACTS: Final = Path(__file__).parents[1]
TYPESCRIPT: Final = "typescript/src"

_is_plain: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$-]*").fullmatch
_WORDS: Final = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def render() -> dict[str, str]:
    """Return every generated file: its path below `contracts/`, and its text."""
    schemas = {f"schemas/{name}.json": schema for name, schema in build_schemas().items()}
    texts = {
        path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in schemas.items()
    }
    constants = {
        f"{TYPESCRIPT}/limits.ts": render_constants(limits),
        f"{TYPESCRIPT}/topology.ts": render_constants(topology),
        f"{TYPESCRIPT}/urls.ts": render_constants(urls),
    }
    return {"asyncapi.yaml": render_yaml(build_document()), **texts, **constants}


def render_yaml(value: object) -> str:
    """Return a JSON value as YAML in blocks; texts are in JSON's quotes, which YAML reads too."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: object) -> Iterator[str]:
    match value:
        case dict() if value:
            for name, item in value.items():
                yield from _entry(f"{_key(name)}:", item)
        case list() if value:
            for item in value:
                first, *rest = _lines(item)
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
        case _:
            yield json.dumps(value, ensure_ascii=False)


def _entry(head: str, value: object) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield from (f"{head} {line}" for line in _lines(value))


def _key(name: str) -> str:
    return name if _is_plain(name) and name.lower() not in _WORDS else json.dumps(name)


def find_drift(directory: Path, texts: Mapping[str, str]) -> list[str]:
    """Return the paths that are missing, differ, or are there although nothing generates them."""
    there = {path.relative_to(directory).as_posix() for path in directory.glob("schemas/*.json")}
    wrong = [path for path, text in texts.items() if _read(directory / path) != text]
    return sorted({*wrong, *(there - texts.keys())})


def write(directory: Path, texts: Mapping[str, str]) -> list[str]:
    """Make the directory hold these texts and no other schema; return the paths that changed."""
    changed = find_drift(directory, texts)
    for path in changed:
        if path in texts:
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(texts[path], encoding="utf-8", newline="\n")
        else:
            (directory / path).unlink()
    return changed


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str] | None = None, directory: Path = CONTRACTS) -> int:
    """Write or check the documents and return the exit status: 1 when a checked one differs."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 and name the files that differ"
    )
    if not parser.parse_args(arguments).check:
        print("\n".join(f"wrote {path}" for path in write(directory, render())) or "nothing changed")
        return 0
    drift = find_drift(directory, render())
    for path in drift:
        print(f"contracts/{path} differs from the models: run python -m contracts.generate", file=sys.stderr)
    return 1 if drift else 0


if __name__ == "__main__":
    sys.exit(main())
