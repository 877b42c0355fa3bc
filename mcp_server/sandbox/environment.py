"""Environment variables of a val: whoever may change the val sees their names, nobody their values."""

import sqlite3
from dataclasses import dataclass

from mcp_server.sandbox.errors import ConflictError, NotFoundError
from mcp_server.sandbox.store import Session
from mcp_server.sandbox.vals import Val


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable without its value; moments in milliseconds since 1970."""

    key: str
    description: str | None
    created_at: int
    updated_at: int | None


def listed(session: Session, val: Val, *, offset: int, limit: int) -> tuple[list[Variable], int]:
    """Return a page of the val's variables, by name, and how many there are in all."""
    rows = session.connection.execute(
        "SELECT * FROM environment_variables WHERE val_id = ? ORDER BY key LIMIT ? OFFSET ?",
        (val.id, limit, offset),
    ).fetchall()
    (total,) = session.connection.execute(
        "SELECT count(*) FROM environment_variables WHERE val_id = ?", (val.id,)
    ).fetchone()
    return [_variable(row) for row in rows], total


def create(session: Session, val: Val, key: str, value: str, description: str | None) -> Variable:
    """Add a variable.

    Raises:
        ConflictError: there is one of this name.
    """
    if _find(session, val, key) is not None:
        raise ConflictError("Key already exists")
    session.connection.execute(
        """
        INSERT INTO environment_variables (val_id, key, value, description, created_at)
        VALUES (?, ?, ?, ?, ?)
        """,
        (val.id, key, value, description, session.now),
    )
    return Variable(key, description, session.now, None)


def update(session: Session, val: Val, key: str, value: str, description: str | None) -> Variable:
    """Replace a variable's value, and its description when one is given.

    Raises:
        NotFoundError: there is none of this name.
    """
    if _find(session, val, key) is None:
        raise _unknown()
    row = session.connection.execute(
        """
        UPDATE environment_variables
        SET value = ?, description = coalesce(?, description), updated_at = ?
        WHERE val_id = ? AND key = ? RETURNING *
        """,
        (value, description, session.now, val.id, key),
    ).fetchone()
    return _variable(row)


def delete(session: Session, val: Val, key: str) -> None:
    """Remove a variable.

    Raises:
        NotFoundError: there is none of this name.
    """
    if _find(session, val, key) is None:
        raise _unknown()
    session.connection.execute(
        "DELETE FROM environment_variables WHERE val_id = ? AND key = ?", (val.id, key)
    )


def _find(session: Session, val: Val, key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = session.connection.execute(
        "SELECT * FROM environment_variables WHERE val_id = ? AND key = ?", (val.id, key)
    ).fetchone()
    return row


def _unknown() -> NotFoundError:
    return NotFoundError("Environment variable or project not found")


def _variable(row: sqlite3.Row) -> Variable:
    return Variable(row["key"], row["description"], row["created_at"], row["updated_at"])
