"""A worker whose host's clock is in the past judges revisions by the database's clock."""

import json
from pathlib import Path
from typing import Final

from contracts.client import SessionStore
from tests.support.broker.caller import make_session
from tests.support.programs.command import run_command
from tests.support.programs.installation import StartReplica, Variables

TEN_YEARS: Final = 315_360_000
AT_START: Final = f"""
import time
real = time.time
time.time = lambda: real() - {TEN_YEARS}
"""


async def test_events_of_engines_with_the_right_clock_are_stored(
    installation: Variables, start_replica: StartReplica, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AT_START)
    installation["PYTHONPATH"] = str(tmp_path)
    await start_replica()
    url, prefix = installation["AMQP_URL"], installation["SESSION_STORE_PREFIX"]
    async with SessionStore(url, prefix=prefix, timeout=20) as store:
        assert (await store.write(make_session("sess_1"))).outcome == "stored"
        ahead = await store.read("sess_1")
        assert ahead is not None
        assert (await store.delete("sess_1")).outcome == "deleted"
    listed = run_command("dead", "list", "--json", variables={**installation, "PYTHONPATH": ""})
    assert [json.loads(line) for line in listed.stdout.splitlines()] == []
