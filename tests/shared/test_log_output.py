"""A log that nobody reads costs log lines, and nothing else."""

import asyncio
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from shared.log_output import MAX_WAITING_BYTES, LogOutput

LINE = "x" * 999 + "\n"
PIPE_BYTES = 65536


def dropped() -> float:
    return REGISTRY.get_sample_value("log_lines_dropped_total") or 0.0


class Pipe:
    """A pipe, and an output that writes to it."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        fcntl.fcntl(self.reader, fcntl.F_SETFL, os.O_NONBLOCK)
        self.stream = os.fdopen(writer, "w", encoding="utf-8")
        self.output = LogOutput(self.stream, note=lambda count: json.dumps({"dropped": count}) + "\n")

    def log(self, line: str) -> None:
        self.output.write(line)
        self.output.flush()

    def read(self) -> str:
        """Return everything there is, however often there is more."""
        read = []
        while True:
            try:
                read.append(os.read(self.reader, PIPE_BYTES))
            except BlockingIOError:
                return b"".join(read).decode()
            self.output.flush()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.stream.close()
    os.close(made.reader)


def test_lines_arrive_at_once_and_whole(pipe: Pipe) -> None:
    pipe.output.write("a ")
    pipe.output.flush()
    assert pipe.read() == ""
    pipe.log("line\n")
    assert pipe.read() == "a line\n"
    pipe.log("ü\ud800\n")
    assert pipe.read() == "ü\\ud800\n"


def test_a_full_pipe_is_not_waited_for_and_what_was_kept_comes_in_order(pipe: Pipe) -> None:
    lines = [f"{number:>8} {'x' * 190}\n" for number in range(1500)]
    began = time.monotonic()
    for line in lines:
        pipe.log(line)
    assert time.monotonic() - began < 5
    assert pipe.read() == "".join(lines)


def test_beyond_its_bound_lines_are_dropped_counted_and_told(pipe: Pipe) -> None:
    before = dropped()
    written = 2 * (MAX_WAITING_BYTES + PIPE_BYTES) // len(LINE)
    for _ in range(written):
        pipe.log(LINE)
    read = pipe.read()
    lost = dropped() - before
    assert lost > 0
    assert read.count(LINE) == written - lost
    assert read.endswith(json.dumps({"dropped": int(lost)}) + "\n")
    pipe.log("again\n")
    assert pipe.read() == "again\n"


def test_a_line_longer_than_the_pipe_is_written_piece_by_piece(pipe: Pipe) -> None:
    line = "y" * (3 * PIPE_BYTES) + "\n"
    pipe.log(line)
    assert pipe.read() == line


def test_a_reader_that_is_gone_costs_lines_alone(pipe: Pipe) -> None:
    other = Pipe()
    os.close(other.reader)
    before = dropped()
    other.log(LINE)
    other.log(LINE)
    assert dropped() - before == 2
    other.stream.close()


def test_the_last_lines_have_a_moment_and_no_more(pipe: Pipe) -> None:
    for _ in range(200):
        pipe.log(LINE)
    began = time.monotonic()
    pipe.output.finish()
    assert time.monotonic() - began < 3


async def written_soon(pipe: Pipe) -> tuple[str, str]:
    for number in range(100):
        pipe.output.write_soon(f"{number}\n")
    before = pipe.read()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return before, pipe.read()


def test_lines_that_can_wait_go_out_together_when_the_turn_is_over(pipe: Pipe) -> None:
    # Of one event loop and of the next: nothing may be left to one that has ended.
    for _ in range(2):
        before, after = asyncio.run(written_soon(pipe))
        assert (before, after.split()) == ("", [str(number) for number in range(100)])

    async def ends_at_once() -> None:
        pipe.output.write_soon("last\n")
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()
    with suppress(RuntimeError):
        loop.run_until_complete(ends_at_once())
    loop.close()
    assert asyncio.run(written_soon(pipe))[1].startswith("last\n0\n")
