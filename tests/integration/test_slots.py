"""A run of the tests has a directory of its own for its servers, in memory where there is room."""

from pathlib import Path

import pytest

from deploy.local.postgres import PostgresServer
from deploy.local.processes import is_alive
from tests.integration.test_local_servers import processes_of
from tests.support.servers import slots
from tests.support.servers.slots import claim_slot


def test_servers_of_a_killed_run_end_when_the_next_run_begins(tmp_path: Path) -> None:
    (tmp_path / "test-0.lock").touch()
    abandoned = PostgresServer(tmp_path / "test-0" / "postgres")
    abandoned.start()
    processes = processes_of(abandoned)
    with claim_slot([tmp_path]) as slot:
        assert [process for process in processes if is_alive(process)] == []
        assert list(slot.iterdir()) == []
        (slot / "postgres").mkdir()
    assert not slot.exists()


def test_two_runs_at_a_time_have_different_directories(tmp_path: Path) -> None:
    with claim_slot([tmp_path]) as one, claim_slot([tmp_path]) as two:
        assert one != two
    with claim_slot([tmp_path]) as again:
        assert again == one


def test_a_place_without_room_or_of_somebody_else_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    monkeypatch.setattr(slots, "ENOUGH_BYTES", 0)
    with claim_slot([memory, disk]) as slot:
        assert slot.parent == memory
    memory.rename(tmp_path / "other")
    memory.symlink_to(tmp_path / "other")
    with claim_slot([memory, disk]) as slot:
        assert slot.parent == disk
    memory.unlink()
    monkeypatch.setattr(slots, "ENOUGH_BYTES", 1 << 60)
    with claim_slot([memory, disk]) as slot:
        assert slot.parent == disk
