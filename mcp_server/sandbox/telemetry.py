"""Logs and traces: what the stand-in notes of each run of a file, in the shapes of OpenTelemetry.

Nothing is run here; a request to an http file's address, and the examples, are all there is to note.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mcp_server.sandbox.accounts import Account, orgs_of
from mcp_server.sandbox.store import Session
from mcp_server.sandbox.tree import Entry

Direction = Literal["asc", "desc"]
Order = Literal["start_time", "end_time"]
Severity = Literal["INFO", "ERROR"]

RUN_MILLISECONDS = 12
"""How long every run took."""


@dataclass(frozen=True, slots=True)
class Run:
    """A trace; moments in milliseconds since 1970."""

    id: str
    branch_id: str
    file_id: str
    name: str
    started_at: int
    ended_at: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """A log line of a run; `at` in milliseconds since 1970."""

    trace_id: str
    branch_id: str
    file_id: str
    at: int
    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Window:
    """Which are asked for: from `start` to just before `end`, in milliseconds since 1970."""

    file_id: str | None
    branch_ids: Sequence[str]
    start: int | None
    end: int | None
    direction: Direction
    limit: int


def note(session: Session, entry: Entry, name: str, lines: Sequence[str], error: str | None = None) -> None:
    """Keep a run of a file, its lines and how it failed, if it did."""
    trace_id = session.new_id().replace("-", "")
    (newest,) = session.connection.execute(
        """
        SELECT coalesce(max(moment), 0)
        FROM (SELECT started_at AS moment FROM traces UNION ALL SELECT at FROM logs)
        """
    ).fetchone()
    moments = iter(range(max(session.now, newest + 1), 2**62))
    started_at = next(moments)
    session.connection.execute(
        "INSERT INTO traces VALUES (?, ?, ?, ?, ?, ?, ?)",
        (trace_id, entry.branch_id, entry.id, name, started_at, started_at + RUN_MILLISECONDS, error),
    )
    for severity, text in _said(lines, error):
        session.connection.execute(
            "INSERT INTO logs VALUES (?, ?, ?, ?)", (trace_id, next(moments), severity, text)
        )


def runs(session: Session, reader: Account, window: Window, order: Order) -> list[Run]:
    """Return one more run of the reader's vals than the window's limit, if there are as many."""
    column = "ended_at" if order == "end_time" else "started_at"
    rows = _select(session, reader, window, f"traces.{column}", "traces.*", "traces")
    return [Run(**row) for row in rows]


def lines(session: Session, reader: Account, window: Window, trace_ids: Sequence[str]) -> list[Line]:
    """Return one more log line of the reader's vals than the window's limit, if there are as many."""
    source = "logs JOIN traces ON traces.id = logs.trace_id"
    found = _select(
        session, reader, window, "logs.at", "logs.*, traces.branch_id, traces.file_id", source, trace_ids
    )
    return [Line(**row) for row in found]


def _said(lines: Sequence[str], error: str | None) -> Iterator[tuple[Severity, str]]:
    for line in lines:
        yield "INFO", line
    if error is not None:
        yield "ERROR", error


def _select(
    session: Session,
    reader: Account,
    window: Window,
    moment: str,
    columns: str,
    source: str,
    trace_ids: Sequence[str] = (),
) -> list[sqlite3.Row]:
    owners = [reader.id, *(org.id for org in orgs_of(reader))]
    wanted: list[tuple[str, list[object]]] = [
        _among("vals.owner_id", owners),
        (f"{moment} IS NOT NULL", []),
    ]
    if window.file_id is not None:
        wanted.append(("traces.file_id = ?", [window.file_id]))
    if window.branch_ids:
        wanted.append(_among("traces.branch_id", window.branch_ids))
    if trace_ids:
        wanted.append(_among("traces.id", trace_ids))
    if window.start is not None:
        wanted.append((f"{moment} >= ?", [window.start]))
    if window.end is not None:
        wanted.append((f"{moment} < ?", [window.end]))
    # Only column names written in this module are put into the text.
    return session.connection.execute(
        f"""
        SELECT {columns} FROM {source}
        JOIN branches ON branches.id = traces.branch_id JOIN vals ON vals.id = branches.val_id
        WHERE {" AND ".join(condition for condition, _ in wanted)}
        ORDER BY {moment} {window.direction} LIMIT ?
        """,  # noqa: S608
        [*(value for _, values in wanted for value in values), window.limit + 1],
    ).fetchall()


def _among(column: str, values: Sequence[object]) -> tuple[str, list[object]]:
    return f"{column} IN ({', '.join('?' * len(values))})", list(values)
