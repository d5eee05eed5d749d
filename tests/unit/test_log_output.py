"""The stream behind the log, over descriptors that take no more bytes."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.support.patience import LONGEST_WAIT
from worker.observability.log_output import MAX_BYTES, MAX_LINES, LogOutput
from worker.observability.systemd import SystemdNotifier

PAGE = 4096


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Yield the ends of a pipe with room for 4 KiB."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PAGE)
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


def written_to(reader: int, until: str) -> str:
    """Return the content of a pipe, up to this text."""
    text = ""
    while until not in text:
        text += os.read(reader, PAGE).decode()
    return text


def test_whole_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    output = LogOutput(writer)
    for piece in ("one\nt", "wo", "\nthree"):
        output.write(piece)
    assert output.drain(LONGEST_WAIT)
    assert written_to(reader, "three\n") == "one\ntwo\nthree\n"
    assert output.dropped == 0


def test_a_full_disk_drops_lines_and_counts_them() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    output = LogOutput(full)
    print("one\ntwo", file=output)
    assert output.drain(LONGEST_WAIT)
    assert output.dropped == 2
    os.close(full)


def test_a_reader_that_is_gone_drops_lines_and_counts_them() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    output = LogOutput(writer)
    print("one", file=output)
    assert output.drain(LONGEST_WAIT)
    assert output.dropped == 1
    os.close(writer)


def test_a_reader_that_stops_holds_nobody_up_and_learns_how_many_lines_it_missed(
    pipe: tuple[int, int],
) -> None:
    reader, writer = pipe
    output = LogOutput(writer)
    for number in range(10 * MAX_LINES):
        print(f"line {number}", file=output)
    assert not output.drain(0.01)
    assert output.dropped >= 10 * MAX_LINES - MAX_LINES - PAGE
    found = written_to(reader, "could not be written\n").splitlines()
    assert len(found) - 1 + output.dropped == 10 * MAX_LINES
    assert found[:2] == ["line 0", "line 1"]
    assert found[-1] == f"session-store: {output.dropped} log lines could not be written"


def test_long_lines_take_no_more_room_than_many() -> None:
    reader, writer = os.pipe()
    output = LogOutput(writer)
    for _ in range(100):
        output.write("x" * (MAX_BYTES // 10) + "\n")
    assert output.dropped >= 88
    Thread(target=lambda: written_to(reader, "could not be written"), daemon=True).start()
    assert output.drain(LONGEST_WAIT)


def test_a_descriptor_that_another_program_made_non_blocking_loses_no_line(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    output = LogOutput(writer)
    for number in range(MAX_LINES - 1):
        print(f"line {number}", file=output)
    assert written_to(reader, f"line {MAX_LINES - 2}\n").count("\n") == MAX_LINES - 1


ENDS = """
import os, sys
from worker.observability.log_output import guard_stderr
guard_stderr()
{}
raise ValueError("the end")
"""


def test_the_end_of_a_process_waits_for_the_last_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS.format("")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: the end\n")


@pytest.mark.parametrize("fill", ["", "print('x' * 500_000, file=sys.stderr)"])
def test_the_end_of_a_process_does_not_wait_for_a_reader_that_has_stopped(fill: str) -> None:
    process = subprocess.Popen([sys.executable, "-c", ENDS.format(fill)], stderr=subprocess.PIPE)
    assert process.wait(LONGEST_WAIT) == 1
    assert process.stderr
    process.stderr.close()


LOGS = """
import os, structlog, sys
from worker.observability.log_output import guard_stderr
from worker.observability.logs import configure_logs
guard_stderr()
configure_logs("info", sys.argv[1])
os.fstat = None
log = structlog.get_logger()
log.info("well")
log.warning("ill")
raise ValueError("the end")
"""


def logged(log_format: str, *, is_journal: bool) -> list[str]:
    """Return the lines of a process whose stderr is, or is not, the stream that systemd made."""
    reader, writer = os.pipe()
    status = os.fstat(writer)
    stream = f"{status.st_dev}:{status.st_ino if is_journal else status.st_ino + 1}"
    words = [sys.executable, "-c", LOGS, log_format]
    process = subprocess.Popen(words, stderr=writer, env={"JOURNAL_STREAM": stream})
    os.close(writer)
    with os.fdopen(reader) as lines:
        found = lines.read().splitlines()
    assert process.wait(LONGEST_WAIT) == 1
    return found


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_journal_is_told_the_level_of_each_line_and_stderr_is_examined_once(log_format: str) -> None:
    well, ill, *traceback = logged(log_format, is_journal=True)
    assert (well[:3], ill[:3], {line[:3] for line in traceback}) == ("<6>", "<4>", {"<3>"})
    assert not [line for line in logged(log_format, is_journal=False) if line.startswith("<")]


def test_a_process_that_may_open_no_more_files_still_notifies(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("socket.socket", refuse)
    SystemdNotifier("/run/systemd/notify").notify({})
