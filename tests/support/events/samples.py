"""The sample events, for tests that take each of them."""

from functools import cache

import orjson

from deploy.local.instance import PROJECT

SAMPLES = PROJECT / "samples"
OUTSIDE_THE_MODELS = frozenset(("nul_character", "too_deep"))  # found in the bytes, before the models


@cache
def read_events() -> tuple[dict[str, object], ...]:
    """Return every sample event as parsed JSON, in the order of delivery."""
    lines = (SAMPLES / "events.ndjson").read_bytes().splitlines()
    return tuple(orjson.loads(line) for line in lines)


@cache
def read_dead_letters() -> dict[str, str]:
    """Return the code of each sample event that is invalid, by event id."""
    dead_letters: dict[str, str] = orjson.loads((SAMPLES / "expected.json").read_bytes())["dead_letters"]
    return dead_letters
