"""The audit log's files: a change is found, at its record; what could not be written is told."""

import json
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.audit import acting
from shared.audit import files as audit_files
from shared.audit import log as audit_log
from shared.audit.chain import ChainKey
from shared.audit.events import Event, Outcome
from shared.audit.files import AuditFiles, Head
from shared.audit.heads import HeadStore
from shared.audit.log import AuditLog
from shared.audit.reading import files_in
from shared.clock import Clock
from shared.sealing import Sealer
from tests.support.audit_files import problems_in, records_in, told

pytestmark = pytest.mark.anyio

SEALER = Sealer(b"k" * 32)
OTHER = Sealer(b"o" * 32)


def new_files(folder: Path, sealer: Sealer = SEALER, *, most_bytes: int = 1_000_000) -> AuditFiles:
    clock = Clock()
    return AuditFiles(
        folder,
        ChainKey(sealer),
        lambda: int(clock.now() * 1000),
        service="auth_server",
        replica="here:1",
        most_bytes=most_bytes,
    )


def write(files: AuditFiles, count: int = 4) -> None:
    for number in range(count):
        record = {"at": "2026-01-01T00:00:00.000Z", "event": Event.SIGNED_IN, "outcome": Outcome.ALLOWED}
        files.append([{**record, "subject": f"user-{number}"}])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Return a file of six records: opened, four, closed."""
    files = new_files(tmp_path)
    write(files)
    files.close()
    (path,) = files_in(tmp_path)
    assert problems_in(tmp_path, SEALER) == []
    return path


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_nobody_else_can_read_it(written: Path) -> None:
    assert written.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", range(6))
def test_each_changed_byte_is_found_at_its_record(written: Path, number: int) -> None:
    lines = lines_of(written)
    for place in range(0, len(lines[number]) - 1):
        byte = lines[number][place]
        # Also what JSON reads as the same: the bytes count, not their meaning.
        changed = lines[number][:place] + bytes([byte ^ 1]) + lines[number][place + 1 :]
        written.write_bytes(b"".join([*lines[:number], changed, *lines[number + 1 :]]))
        found = problems_in(written.parent, SEALER)
        assert [line for line, _ in found][:1] == [number + 1], (place, found)


def without(lines: list[bytes], number: int) -> list[bytes]:
    return [line for index, line in enumerate(lines) if index != number]


def swapped(lines: list[bytes], number: int) -> list[bytes]:
    return [*lines[:number], lines[number + 1], lines[number], *lines[number + 2 :]]


def doubled(lines: list[bytes], number: int) -> list[bytes]:
    return [*lines[:number], lines[number], *lines[number:]]


@pytest.mark.parametrize(
    ("damage", "number", "line"),
    [
        (without, 0, 1),
        (without, 2, 3),
        (without, 4, 5),
        (swapped, 0, 1),
        (swapped, 2, 3),
        (swapped, 4, 5),
        (doubled, 0, 2),
        (doubled, 3, 5),
        (doubled, 5, 7),
    ],
)
def test_removed_swapped_and_repeated_lines_are_found(
    written: Path, damage: Callable[[list[bytes], int], list[bytes]], number: int, line: int
) -> None:
    written.write_bytes(b"".join(damage(lines_of(written), number)))
    assert problems_in(written.parent, SEALER)[0][0] == line


def test_a_line_of_another_file_is_found(written: Path, tmp_path: Path) -> None:
    other = new_files(tmp_path / "other")
    write(other)
    (path,) = files_in(tmp_path / "other")
    lines = lines_of(written)
    lines[3] = lines_of(path)[3]
    written.write_bytes(b"".join(lines))
    assert [line for line, _ in problems_in(written.parent, SEALER)] == [4, 5]


def test_a_file_under_another_name_is_found(written: Path) -> None:
    written.rename(written.with_name("auth_server-elsewhere.jsonl"))
    (problem,) = problems_in(written.parent, SEALER)
    assert (problem[0], "belongs to another file" in problem[1]) == (1, True)


def test_another_key_finds_no_peace_and_an_old_one_does(written: Path) -> None:
    (problem,) = problems_in(written.parent, OTHER)
    assert problem == (1, f"was written with the encryption key {SEALER.key_id}, which is not here")
    assert problems_in(written.parent, Sealer(b"o" * 32, b"k" * 32)) == []


def test_a_record_made_with_another_key_is_found(written: Path, tmp_path: Path) -> None:
    forger = new_files(tmp_path / "forged", OTHER)
    write(forger)
    forger.close()
    (path,) = files_in(tmp_path / "forged")
    forged = path.read_bytes().replace(OTHER.key_id.encode(), SEALER.key_id.encode())
    written.write_bytes(forged.replace(path.name.encode(), written.name.encode()))
    assert [line for line, _ in problems_in(written.parent, SEALER)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("kept", [0, 1, 3, 5])
def test_an_end_that_is_cut_off_is_missed_by_the_store(tmp_path: Path, kept: int) -> None:
    files = new_files(tmp_path)
    write(files)
    heads = dict(files.take_heads())
    (path,) = files_in(tmp_path)
    assert problems_in(tmp_path, SEALER, heads) == []
    path.write_bytes(b"".join(lines_of(path)[:kept]))
    missed = [what for _, what in problems_in(tmp_path, SEALER, heads) if "is not the end" in what]
    # The last line is there with kept == 5: nothing is missing.
    assert len(missed) == (kept < 5)


def test_a_file_that_takes_another_ones_place_with_the_same_number_is_missed(tmp_path: Path) -> None:
    files = new_files(tmp_path)
    write(files)
    heads = dict(files.take_heads())
    (path,) = files_in(tmp_path)
    # As if the last record had been written anew with the key, and the store been left alone.
    heads[path.name] = Head(heads[path.name].seq, "f" * 64)
    (problem,) = problems_in(tmp_path, SEALER, heads)
    assert "is another file than the one written" in problem[1]


@pytest.mark.parametrize("bytes_cut", [1, 2, 40])
def test_half_a_line_is_found(written: Path, bytes_cut: int) -> None:
    written.write_bytes(written.read_bytes()[:-bytes_cut])
    assert problems_in(written.parent, SEALER) == [(6, "is no record, or only part of one")]


def test_a_missing_file_is_missed_by_the_store_and_by_the_next_one(tmp_path: Path) -> None:
    files = new_files(tmp_path, most_bytes=600)
    write(files, 6)
    files.close()
    heads = dict(files.take_heads())
    assert len(files_in(tmp_path)) == len(heads) > 2
    assert problems_in(tmp_path, SEALER, heads) == []
    first = next(path for path in files_in(tmp_path) if b'"previous"' not in lines_of(path)[0])
    first.unlink()
    assert len(problems_in(tmp_path, SEALER, heads)) == 2
    (problem,) = problems_in(tmp_path, SEALER)
    assert "is missing" in problem[1]


async def test_a_file_that_was_removed_on_purpose_is_not_missed(tmp_path: Path) -> None:
    files = new_files(tmp_path, most_bytes=600)
    write(files, 3)
    files.close()
    heads = dict(files.take_heads())
    first = next(path for path in files_in(tmp_path) if b'"previous"' not in lines_of(path)[0])
    first.unlink()
    assert len(problems_in(tmp_path, SEALER, heads)) == 2
    audit = AuditLog(new_files(tmp_path), Clock())
    audit.note_pruned({first.name: heads[first.name]})
    await audit.close()
    assert problems_in(tmp_path, SEALER, heads) == []


def test_files_go_on_where_the_one_before_ended(tmp_path: Path) -> None:
    files = new_files(tmp_path, most_bytes=600)
    write(files, 6)
    files.close()
    records = sorted(records_in(tmp_path), key=lambda each: each["seq"])
    assert [each["seq"] for each in records] == list(range(1, len(records) + 1))
    assert all(after["prev"] == before["mac"] for before, after in pairwise(records))
    # Cut off between two files, which no store is needed to find.
    ends = next(path for path in files_in(tmp_path) if b'"continued"' in lines_of(path)[-1])
    ends.write_bytes(b"".join(lines_of(ends)[:-1]))
    assert any("does not end where" in what for _, what in problems_in(tmp_path, SEALER))


class Disk:
    """Stands in for the disk: takes everything, or nothing, or only a part."""

    def __init__(self, write_all: Callable[[int, bytes], None]) -> None:
        """Take what really writes."""
        self.write_all = write_all
        self.is_full = False
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self, descriptor: int, data: bytes) -> None:
        """Write, or fail as a disk does."""
        self.answers.wait(20)
        if self.is_full:
            self.write_all(descriptor, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        self.write_all(descriptor, data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Return the disk."""
    disk = Disk(audit_files.write_all)
    monkeypatch.setattr(audit_files, "write_all", disk)
    yield disk
    disk.answers.set()


async def test_a_full_disk_leaves_a_gap_that_is_told(tmp_path: Path, disk: Disk) -> None:
    audit = AuditLog(new_files(tmp_path), Clock())
    audit.note(Event.SIGNED_IN, Outcome.ALLOWED, subject="before")
    await audit.close()
    disk.is_full = True
    for number in range(3):
        audit.note(Event.SIGNED_IN, Outcome.ALLOWED, subject=f"lost-{number}")
    await audit.close()
    disk.is_full = False
    audit.note(Event.SIGNED_IN, Outcome.ALLOWED, subject="after")
    await audit.close()
    assert problems_in(tmp_path, SEALER) == []
    records = sorted(records_in(tmp_path), key=lambda each: each["seq"])
    assert [each.get("subject") for each in records if each["event"] == "signed_in"] == ["before", "after"]
    (gap,) = [each for each in records if each["event"] == "gap"]
    assert (gap["records"], gap["causes"]) == (3, {"disk": 3})


async def test_a_disk_that_fails_in_the_middle_of_a_file_leaves_no_half_line(
    tmp_path: Path, disk: Disk
) -> None:
    files = new_files(tmp_path)
    write(files, 2)
    disk.is_full = True
    with pytest.raises(OSError, match="No space"):
        write(files, 1)
    disk.is_full = False
    write(files, 2)
    files.close()
    assert problems_in(tmp_path, SEALER) == []
    assert len(files_in(tmp_path)) == 1


async def test_a_full_queue_leaves_a_gap_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "MOST_WAITING", 10)
    audit = AuditLog(new_files(tmp_path), Clock())
    for number in range(25):
        audit.note(Event.SIGNED_IN, Outcome.ALLOWED, subject=f"user-{number}")
    await audit.close()
    (gap,) = [each for each in records_in(tmp_path) if each["event"] == "gap"]
    assert (gap["records"], gap["causes"]) == (15, {"queue": 15})
    assert told(tmp_path).count(("signed_in", "allowed", "")) == 10


async def test_large_bodies_that_wait_are_bounded_too(tmp_path: Path) -> None:
    audit = AuditLog(new_files(tmp_path), Clock())
    acting.begin("request")
    acting.acting().size = audit_log.MOST_WAITING_BYTES // 2
    for number in range(3):
        audit.note(Event.TOOL_CALLED, Outcome.ALLOWED, subject=f"user-{number}", arguments={"a": 1})
    # One that holds on to no body still finds room.
    audit.note(Event.SIGNED_IN, Outcome.ALLOWED, subject="small")
    await audit.close()
    assert [each["subject"] for each in records_in(tmp_path) if "subject" in each] == [
        "user-0",
        "user-1",
        "small",
    ]
    audit.note(Event.TOOL_CALLED, Outcome.ALLOWED, subject="later", arguments={"a": 1})
    await audit.close()
    assert "later" in [each.get("subject") for each in records_in(tmp_path)]


async def test_a_flood_of_strangers_is_counted_and_does_not_fill_the_disk(tmp_path: Path) -> None:
    audit = AuditLog(new_files(tmp_path), Clock())
    for _ in range(audit_log.STRANGERS_BURST + 50):
        # A grant that a stranger names makes nobody known.
        audit.note(Event.TOKEN_ISSUED, Outcome.DENIED, "unknown", grant_id="named-by-a-stranger")
    audit.note(Event.TOKEN_ISSUED, Outcome.DENIED, "unknown", subject="somebody")
    await audit.close()
    (gap,) = [each for each in records_in(tmp_path) if each["event"] == "gap"]
    assert 45 <= gap["causes"]["flood"] <= 50
    assert [each["subject"] for each in records_in(tmp_path) if "subject" in each] == ["somebody"]


async def test_a_disk_that_does_not_answer_stops_nobody(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "CLOSE_SECONDS", 0.05)
    audit = AuditLog(new_files(tmp_path), Clock())
    disk.answers.clear()
    audit.start()
    for number in range(audit_log.MOST_WAITING * 2):
        audit.note(Event.SIGNED_IN, Outcome.ALLOWED, subject=f"user-{number}")
    await audit.close()


async def test_a_reason_from_elsewhere_is_other(tmp_path: Path) -> None:
    audit = AuditLog(new_files(tmp_path), Clock())
    audit.note(Event.SIGNED_IN, Outcome.DENIED, "vtwn_a_secret_in_the_wrong_place", subject="user")
    await audit.close()
    assert told(tmp_path) == [("signed_in", "denied", "other")]


async def test_arguments_are_a_digest_that_only_the_key_makes(tmp_path: Path) -> None:
    audit = AuditLog(new_files(tmp_path), Clock())
    audit.note(Event.TOOL_CALLED, Outcome.ALLOWED, arguments={"b": 1, "a": "\ud800"})
    await audit.close()
    (record,) = [each for each in records_in(tmp_path) if "arguments" in each]
    assert record["arguments"] == ChainKey(SEALER).digest({"a": "\ud800", "b": 1})
    assert record["arguments"] != ChainKey(OTHER).digest({"a": "\ud800", "b": 1})


async def test_the_store_keeps_the_newest_head_and_not_too_many(
    redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.audit.heads.MOST_HEADS", 2)
    store = HeadStore(redis, clock)
    older, newer = Head(3, "a" * 64), Head(9, "b" * 64)
    await store.keep({"one": newer})
    await store.keep({"one": older})
    assert await store.read() == {"one": newer}
    clock.advance(1)
    await store.keep({"two": older, "three": older})
    assert await store.read() == {"two": older, "three": older}
    await store.forget(["two"])
    assert await store.read() == {"three": older}


def test_every_record_says_who_wrote_it(written: Path) -> None:
    for line in lines_of(written):
        record = json.loads(line)
        assert (record["service"], record["replica"]) == ("auth_server", "here:1")
