"""The tree of files of a branch, kept with all its versions.

An entry is never changed: a write ends the ones it replaces and adds new ones, so that the tree of any
version can be read. Callers decide what may be written, count the version, and hold the transaction.
"""

import hashlib
import sqlite3
from dataclasses import dataclass
from typing import Literal

from mcp_server.sandbox.branches import Branch
from mcp_server.sandbox.store import Session

FileType = Literal["file", "interval", "http", "email", "script"]
EntryType = Literal["directory", "file", "interval", "http", "email", "script"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory as it stood at some version of a branch.

    `version` is the one that made it so, `updated_at` that moment in milliseconds since 1970; `digest`
    names its content and is None for directories.
    """

    branch_id: str
    id: str
    path: str
    type: EntryType
    digest: str | None
    version: int
    updated_at: int

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def lookup(session: Session, branch: Branch, path: str, version: int | None = None) -> Entry | None:
    """Return what stands at a path, now or at a version; a version past the newest reads as the newest."""
    row = session.connection.execute(
        """
        SELECT * FROM entries
        WHERE branch_id = ? AND path = ? AND since <= ? AND (until IS NULL OR until > ?)
        """,
        (branch.id, path, *_at(branch, version)),
    ).fetchone()
    return None if row is None else _entry(row)


def below(
    session: Session, branch: Branch, path: str, version: int | None = None, *, recursive: bool = True
) -> list[Entry]:
    """Return what is in a directory, or all below it, by path; the path "" is the root."""
    prefix = f"{path}/" if path else ""
    # "0" is the character after "/": the range holds exactly the paths that begin with the prefix.
    end = f"{path}0" if path else "\U0010ffff"
    rows = session.connection.execute(
        """
        SELECT * FROM entries
        WHERE branch_id = ? AND path > ? AND path < ? AND since <= ? AND (until IS NULL OR until > ?)
        ORDER BY path
        """,
        (branch.id, prefix, end, *_at(branch, version)),
    ).fetchall()
    return [_entry(row) for row in rows if recursive or "/" not in row["path"][len(prefix) :]]


def lookup_by_id(session: Session, file_id: str) -> tuple[Entry, str] | None:
    """Return the current entry with this id, and its val's id.

    Forks share the ids of their source, so there may be several: the oldest branch wins, which is main for
    as long as main has the file.
    """
    row = session.connection.execute(
        """
        SELECT entries.*, branches.val_id FROM entries JOIN branches ON branches.id = entries.branch_id
        WHERE file_id = ? AND until IS NULL ORDER BY branches.number LIMIT 1
        """,
        (file_id,),
    ).fetchone()
    return None if row is None else (_entry(row), row["val_id"])


def lookup_on_branch(session: Session, branch_id: str, file_id: str) -> Entry | None:
    """Return the current entry with this id on a branch."""
    row = session.connection.execute(
        "SELECT * FROM entries WHERE branch_id = ? AND file_id = ? AND until IS NULL", (branch_id, file_id)
    ).fetchone()
    return None if row is None else _entry(row)


def count(session: Session, branch: Branch) -> tuple[int, int]:
    """Return how many files and how many directories the branch has now."""
    row = session.connection.execute(
        """
        SELECT count(*) FILTER (WHERE type != 'directory') AS files,
               count(*) FILTER (WHERE type = 'directory') AS directories
        FROM entries WHERE branch_id = ? AND until IS NULL
        """,
        (branch.id,),
    ).fetchone()
    return row["files"], row["directories"]


def add(session: Session, entry: Entry) -> None:
    """Let an entry stand at its path from its version on; nothing else may stand there."""
    session.connection.execute(
        """
        INSERT INTO entries (branch_id, file_id, path, type, digest, since, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (entry.branch_id, entry.id, entry.path, entry.type, entry.digest, entry.version, entry.updated_at),
    )


def end(session: Session, entry: Entry, version: int) -> None:
    """Let an entry stand until just before a version."""
    session.connection.execute(
        "UPDATE entries SET until = ? WHERE branch_id = ? AND path = ? AND until IS NULL",
        (version, entry.branch_id, entry.path),
    )


def keep(session: Session, content: str) -> str:
    """Store a text, once however often it is kept, and return its digest."""
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()
    session.connection.execute(
        "INSERT OR IGNORE INTO contents (digest, text) VALUES (?, ?)", (digest, content)
    )
    return digest


def content(session: Session, digest: str) -> str:
    """Return a text that was kept."""
    row = session.connection.execute("SELECT text FROM contents WHERE digest = ?", (digest,)).fetchone()
    text: str = row["text"]
    return text


def _at(branch: Branch, version: int | None) -> tuple[int, int]:
    at = branch.version if version is None else version
    return at, at


def _entry(row: sqlite3.Row) -> Entry:
    return Entry(
        row["branch_id"],
        row["file_id"],
        row["path"],
        row["type"],
        row["digest"],
        row["since"],
        row["updated_at"],
    )
