"""Branches of a val: list, find, fork, delete."""

import sqlite3
from dataclasses import dataclass

from mcp_server.sandbox.errors import BadRequestError, ConflictError, NotFoundError
from mcp_server.sandbox.store import Session
from mcp_server.sandbox.vals import MAIN, Val

MAX_BRANCHES = 100


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch; moments in milliseconds since 1970, `version` counts its writes."""

    id: str
    val_id: str
    name: str
    version: int
    created_at: int
    updated_at: int
    forked_from: str | None


def find(session: Session, val: Val, branch_id: str | None) -> Branch:
    """Return a branch of the val by its id; main when none is named.

    Raises:
        NotFoundError: the val has no such branch.
    """
    row = session.connection.execute(
        "SELECT * FROM branches WHERE val_id = :val AND (id = :id OR (:id IS NULL AND name = :main))",
        {"val": val.id, "id": branch_id, "main": MAIN},
    ).fetchone()
    if row is None:
        raise NotFoundError("Branch not found")
    return _branch(row)


def listed(session: Session, val: Val, *, offset: int, limit: int) -> tuple[list[Branch], int]:
    """Return a page of the val's branches, oldest first, and how many there are in all."""
    rows = session.connection.execute(
        "SELECT * FROM branches WHERE val_id = ? ORDER BY number LIMIT ? OFFSET ?", (val.id, limit, offset)
    ).fetchall()
    return [_branch(row) for row in rows], _count(session, val)


def fork(session: Session, val: Val, name: str, source_id: str | None) -> Branch:
    """Make a branch with the files of another as its version 0; they keep their ids.

    That the count starts anew is our choice: Val Town documents only that a version is at least 0.

    Raises:
        NotFoundError: no such branch to fork from.
        ConflictError: the name is taken.
        BadRequestError: the val has its 100 branches (the status is our guess).
    """
    source = find(session, val, source_id)
    taken = session.connection.execute(
        "SELECT 1 FROM branches WHERE val_id = ? AND name = ?", (val.id, name)
    ).fetchone()
    if taken:
        raise ConflictError("Branch name already exists in this project")
    if _count(session, val) >= MAX_BRANCHES:
        raise BadRequestError(f"A val can have at most {MAX_BRANCHES} branches")
    branch = Branch(session.new_id(), val.id, name, 0, session.now, session.now, source.id)
    session.connection.execute(
        """
        INSERT INTO branches (id, val_id, name, version, created_at, updated_at, forked_from)
        VALUES (?, ?, ?, 0, ?, ?, ?)
        """,
        (branch.id, val.id, name, session.now, session.now, source.id),
    )
    session.connection.execute(
        """
        INSERT INTO entries (branch_id, file_id, path, type, digest, since, updated_at)
        SELECT ?, file_id, path, type, digest, 0, updated_at FROM entries
        WHERE branch_id = ? AND until IS NULL
        """,
        (branch.id, source.id),
    )
    return branch


def delete(session: Session, branch: Branch) -> None:
    """Remove a branch and its files; branches forked from it stay.

    Raises:
        BadRequestError: it is main, which every val has (the status is our guess).
    """
    if branch.name == MAIN:
        raise BadRequestError("The main branch cannot be deleted")
    session.connection.execute("DELETE FROM branches WHERE id = ?", (branch.id,))


def next_version(session: Session, branch: Branch) -> int:
    """Count one more write on the branch and return its version from now on."""
    row = session.connection.execute(
        "UPDATE branches SET version = version + 1, updated_at = ? WHERE id = ? RETURNING version",
        (session.now, branch.id),
    ).fetchone()
    version: int = row["version"]
    return version


def _count(session: Session, val: Val) -> int:
    (count,) = session.connection.execute(
        "SELECT count(*) FROM branches WHERE val_id = ?", (val.id,)
    ).fetchone()
    return int(count)


def _branch(row: sqlite3.Row) -> Branch:
    return Branch(
        row["id"],
        row["val_id"],
        row["name"],
        row["version"],
        row["created_at"],
        row["updated_at"],
        row["forked_from"],
    )
