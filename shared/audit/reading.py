"""Checks files of the audit log, and reads their records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Final

from shared.audit.chain import MOST_LINE_BYTES, NO_MAC, ChainKey, is_mac, members_of, take_apart
from shared.audit.events import Event
from shared.audit.files import SUFFIX, Head
from shared.sealing import Sealer, UnknownKeyError

MOST_PROBLEMS: Final = 20
"""Of one file that are told one by one."""


class State(StrEnum):
    """How a file ends."""

    CLOSED = "closed"
    CONTINUED = "continued"
    OPEN = "open"
    """It is being written, or its process was killed."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was written.

    Attributes:
        file: the name of the file.
        line: from 1 on; 0: the file as a whole.
        what: a sentence.
    """

    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: its number, its record if it has the form of one, and whether that is as written."""

    number: int
    members: Mapping[str, Any] | None
    is_genuine: bool


@dataclass(slots=True)
class Report:
    """What was found of one file.

    Attributes:
        name: of the file.
        records: how many lines it has.
        missing: records that it says itself are missing.
        state: how it ends.
        head: how far the store knows it; None: the store knows nothing of it.
        last: the number and the MAC of the last record whose MAC is right.
        at_head: the MAC of the record that `head` is about; empty when there is none.
        previous: the file whose chain it goes on with, and the MAC that must be that one's last.
        pruned: files that were removed on purpose, as it says.
        problems: everything that is wrong.
    """

    name: str
    records: int = 0
    missing: int = 0
    state: State = State.OPEN
    head: Head | None = None
    last: Head | None = None
    at_head: str = ""
    previous: tuple[str, str] | None = None
    pruned: dict[str, Head] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, what: str) -> None:
        """Note what is wrong."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(self.name, line, what))


class Keys:
    """The keys of files, found by the id in their first records."""

    def __init__(self, sealer: Sealer) -> None:
        """Take the ring."""
        self._sealer = sealer
        self._keys: dict[str, ChainKey] = {}

    def find(self, key_id: str) -> ChainKey:
        """Return a key.

        Raises:
            UnknownKeyError: it is not in the ring.
        """
        if key_id not in self._keys:
            self._keys[key_id] = ChainKey(self._sealer, key_id)
        return self._keys[key_id]


def files_in(folder: Path) -> list[Path]:
    """Return the files of the log in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix == SUFFIX and path.is_file())


def read(path: Path, keys: Keys) -> Iterator[Line]:
    """Return the lines of a file, one after another.

    Raises:
        UnknownKeyError: it was written with a key that is not here.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        key = None
        for number, text in _lines(file):
            try:
                if not text.endswith(b"\n"):
                    raise ValueError("not the whole line")
                body, mac = take_apart(text.removesuffix(b"\n"))
                members = members_of(body)
            except ValueError:
                yield Line(number, None, is_genuine=False)
                continue
            if key is None:
                key = keys.find(str(members.get("key")))
            yield Line(number, {**members, "mac": mac}, is_mac(key, body, mac))


def check(path: Path, keys: Keys, head: Head | None = None) -> Report:
    """Return what is found of a file; `head` is what the store knew of it before it was opened."""
    report = _check(path, keys, head)
    # A second look where something is wrong: the last line may have been in the middle of being written.
    return _check(path, keys, head) if report.problems else report


def _check(path: Path, keys: Keys, head: Head | None) -> Report:
    report = Report(path.name, head=head)
    try:
        _check_lines(report, read(path, keys))
    except UnknownKeyError as error:
        report.add(1, f"was written with the encryption key {error.key_id}, which is not here")
    except OSError as error:
        report.add(0, f"cannot be read: {error.strerror}")
    return report


def check_together(
    reports: Sequence[Report], heads: Mapping[str, Head] | None, *, whole: bool
) -> list[Problem]:
    """Return what is wrong between files, and between them and the store.

    Args:
        reports: of the files.
        heads: what the store knows of them; None: it was not asked or did not answer.
        whole: whether these are all the files there are.
    """
    known = {report.name: report for report in reports}
    pruned: dict[str, Head] = {}
    for report in reports:
        pruned |= report.pruned
    problems = [
        problem
        for report in reports
        if report.previous is not None
        for problem in _against_previous(report, *report.previous, known, pruned, whole=whole)
    ]
    for report in reports:
        problems += _against_head(report)
    for name, head in sorted((heads or {}).items()):
        if whole and name not in known and name not in pruned:
            problems.append(
                Problem(name, 0, f"is missing; the store knows {head.seq} records of it or before")
            )
    return problems


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    number = 0
    while text := file.readline(MOST_LINE_BYTES):
        number += 1
        yield number, text


def _check_lines(report: Report, lines: Iterable[Line]) -> None:
    before: Mapping[str, Any] | None = None
    after_fault = False
    for line in lines:
        report.records += 1
        if not line.is_genuine or line.members is None:
            # The line after it is held against the MAC that stands here, right or wrong.
            report.add(line.number, _fault_of(line))
            before, after_fault = line.members or before, True
            continue
        members = line.members
        if line.number == 1:
            _check_first(report, members)
        elif not after_fault and not _follows(members, before):
            report.add(line.number, "does not follow the line before: lines were removed, added or swapped")
        _take(report, members)
        before, after_fault = members, False
    if report.records == 0:
        report.add(0, "is empty")


def _fault_of(line: Line) -> str:
    if line.members is None:
        return "is no record, or only part of one"
    return "was changed"


def _check_first(report: Report, members: Mapping[str, Any]) -> None:
    if members.get("event") != Event.OPENED:
        report.add(1, "is not the first of a file: what was before is missing")
        return
    if members.get("file") != report.name:
        report.add(1, f"belongs to another file, {members.get('file')}")
    if "previous" in members:
        report.previous = str(members["previous"]), str(members.get("prev"))
    elif members.get("prev") != NO_MAC:
        report.add(1, "goes on with a file that it does not name")


def _follows(members: Mapping[str, Any], before: Mapping[str, Any] | None) -> bool:
    return (
        before is not None
        and members.get("prev") == before.get("mac")
        and members.get("seq") == before.get("seq", 0) + 1
    )


def _take(report: Report, members: Mapping[str, Any]) -> None:
    report.last = Head(int(members["seq"]), str(members["mac"]))
    if report.head is not None and report.head.seq == report.last.seq:
        report.at_head = report.last.mac
    event = members.get("event")
    if event == Event.GAP:
        report.missing += int(members.get("records", 0))
    elif event == Event.PRUNED:
        report.pruned |= {
            name: Head(int(seq), str(mac)) for name, (seq, mac) in dict(members.get("files", {})).items()
        }
    elif event in (Event.CLOSED, Event.CONTINUED):
        report.state = State(event)


def _against_previous(
    report: Report,
    previous: str,
    mac: str,
    known: Mapping[str, Report],
    pruned: Mapping[str, Head],
    *,
    whole: bool,
) -> Iterator[Problem]:
    found = known.get(previous)
    last = pruned.get(previous) if found is None else found.last
    if found is None and last is None:
        if whole:
            yield Problem(previous, 0, f"is missing; {report.name} goes on with it")
    elif last is None or last.mac != mac:
        yield Problem(previous, 0, f"does not end where {report.name} goes on with it")


def _against_head(report: Report) -> Iterator[Problem]:
    head, last = report.head, report.last
    if head is None:
        return
    if last is None or last.seq < head.seq:
        there = 0 if last is None else last.seq
        yield Problem(
            report.name, report.records, f"is not the end: record {head.seq} was the last, {there} is"
        )
    elif report.at_head != head.mac:
        yield Problem(
            report.name, 0, f"is another file than the one written: record {head.seq} is not the same"
        )
