"""A file's sessions and events, or the file's fault."""

import gzip
import io
import json
import os
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

import pytest

from tests.support.events.session_files import SAMPLES, session_of, write_session
from worker.transfer.findings import ReadResult, Rejection
from worker.transfer.folder import chunks_of_folder
from worker.transfer.lines import chunks_of_lines
from worker.transfer.reading import max_bytes

LARGEST = 100_000
NESTED: dict[str, object] = {}
for _ in range(62):
    NESTED = {"d": NESTED}


def read_folder(folder: Path, largest: int = LARGEST) -> ReadResult:
    (chunk,) = chunks_of_folder(folder, largest)
    return chunk.read()


def read_lines(text: bytes, largest: int = LARGEST, name: str = "a.ndjson") -> ReadResult:
    file = io.BytesIO(text)
    unpacked = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if text.startswith(b"\x1f\x8b") else file
    (chunk,) = chunks_of_lines(name, unpacked, largest)
    return chunk.read()


def body(**changed: object) -> bytes:
    return json.dumps(session_of(1, **changed), ensure_ascii=False, indent=2).encode()


def test_the_samples_are_83_sessions_and_4_named_refusals() -> None:
    result = read_folder(SAMPLES)
    assert (len(result.events), result.skipped) == (83, 1)
    assert {rejection.file: rejection.code for rejection in result.rejections} == {
        "sess_empty.json": "empty",
        "sess_no_player.json": "bad_schema",
        "sess_truncated.json": "cut_off",
        "sess_wrong_name.json": "wrong_name",
    }


@pytest.mark.parametrize(
    ("content", "code", "position"),
    [
        (b"", "empty", (1, 1)),
        (b" \n", "empty", (1, 1)),
        (body()[:40], "cut_off", (3, 9)),
        (body(note="ä")[:-4], "cut_off", (None, None)),
        (b'{\n "sessionId": \xff}', "not_utf8", (2, 15)),
        (b'{"a": 1,}', "bad_json", (1, 8)),
        (body() + b"{", "bad_json", (16, 2)),
        (b"[]", "not_object", (None, None)),
        (body(state=None), "bad_schema", (None, None)),
        (body(sessionId="sess_other"), "wrong_name", (None, None)),
        (body(startedAt="2025-02-30T00:00:00Z"), "bad_time", (None, None)),
        (body(note=123456789012345678901), "bad_number", (None, None)),
        (body(note="\0"), "nul_character", (None, None)),
        (body(state=NESTED), "too_deep", (None, None)),
        (body(note="x" * LARGEST), "too_large", (None, None)),
        (b" " * (max_bytes(LARGEST) + 1), "too_large", (None, None)),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_the_position_and_the_reason(
    tmp_path: Path, content: bytes, code: str, position: tuple[int | None, int | None]
) -> None:
    write_session(tmp_path, session_of(2))
    (tmp_path / "sess_000001.json").write_bytes(content)
    result = read_folder(tmp_path)
    (rejection,) = result.rejections
    assert (rejection.file, rejection.code) == ("sess_000001.json", code)
    assert (rejection.line, rejection.column) == position
    assert rejection.reason
    assert [events.event.session_id for events in result.events] == ["sess_000002"]


def test_what_is_no_readable_file_is_refused_and_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / os.fsdecode(b"\xff\n.json")).write_text("{}")
    events = {rejection.file: rejection.code for rejection in read_folder(tmp_path).rejections}
    assert events == {
        "folder.json": "unreadable",
        "pipe.json": "unreadable",
        "link.json": "unreadable",
        "\\\\xff\\n.json": "bad_schema",
    }


def test_a_session_is_as_large_as_its_event_and_not_as_its_file(tmp_path: Path) -> None:
    write_session(tmp_path, session_of(1, note=[[[[0]]]] * 900))
    size = (tmp_path / "sess_000001.json").stat().st_size
    assert not read_folder(tmp_path, largest=size // 2).rejections


def test_a_line_is_a_session_or_an_event_and_an_empty_one_is_skipped() -> None:
    event = {
        "specversion": "1.0",
        "id": "8a3ad0c6-9b1e-4a6f-8f36-0f8f5b1d7f10",
        "source": "engine/eu-1",
        "type": "session.delete",
        "subject": "sess_7",
        "data": {"revision": 5},
    }
    result = read_lines(f"{json.dumps(event)}\n\n{json.dumps(session_of(1))}".encode())
    deleted, written = (events.event for events in result.events)
    assert deleted[:5] == ("sess_7", 5, UUID(str(event["id"])), None, True)
    assert (written.session_id, written.is_delete) == ("sess_000001", False)
    assert result.skipped == 1


def test_a_bad_line_is_named_by_its_number() -> None:
    good = json.dumps(session_of(1)).encode()
    long = b" " * (2 * max_bytes(LARGEST))
    result = read_lines(b"\n".join((good, b'{"a":', long, b"\xff", good)))
    assert [(rejection.line, rejection.code) for rejection in result.rejections] == [
        (2, "cut_off"),
        (3, "too_large"),
        (4, "not_utf8"),
    ]
    assert len(result.events) == 2


def test_a_compressed_file_that_is_cut_off_gives_what_can_be_unpacked() -> None:
    lines = b"".join(json.dumps(session_of(number)).encode() + b"\n" for number in range(200))
    result = read_lines(gzip.compress(lines)[:-400])
    assert result.events
    (rejection,) = result.rejections
    assert (rejection.code, rejection.line) == ("unreadable", len(result.events) + 1)


def test_a_last_line_that_is_too_long_ends_with_its_file() -> None:
    result = read_lines(b"{}\n" + b"x" * 5 * max_bytes(10), largest=10)
    assert [(rejection.code, rejection.line) for rejection in result.rejections][-1] == ("too_large", 2)


def test_a_refusal_says_where_it_is() -> None:
    assert str(Rejection("a.json", "cut_off", "it ends", 3, 9)) == "a.json:3:9: it ends (cut_off)"
    assert Rejection("a.json", "empty", "nothing").as_json() == {
        "file": "a.json",
        "code": "empty",
        "reason": "nothing",
    }
