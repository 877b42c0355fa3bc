"""Vals: who may see one, who may change it, and their lists (tag "vals" of Val Town's OpenAPI)."""

import json
import sqlite3
from dataclasses import dataclass

from mcp_server.sandbox import accounts
from mcp_server.sandbox.accounts import Account
from mcp_server.sandbox.errors import ConflictError, ForbiddenError, NotFoundError
from mcp_server.sandbox.parameters import Privacy
from mcp_server.sandbox.store import Session

MAIN = "main"
"""The branch every val is born with."""


@dataclass(frozen=True, slots=True)
class Val:
    """A val; `created_at` in milliseconds since 1970, unique among all vals."""

    id: str
    owner: Account
    name: str
    privacy: Privacy
    description: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of the vals a caller may see are asked for; `before` in milliseconds since 1970."""

    privacy: Privacy | None = None
    owner_id: str | None = None
    before: int | None = None


def create(session: Session, owner: Account, name: str, privacy: Privacy, description: str | None) -> Val:
    """Make a val with its main branch, at version 0 and without files, as the real API does.

    Raises:
        ForbiddenError: the free tier has no unlisted or private vals (val.town/pricing; the status is a
            guess). ConflictError: the owner has a val of this name.
    """
    if owner.tier == "free" and privacy != "public":
        raise ForbiddenError(
            f"The free tier has no {privacy} vals. Upgrade to Val Town Pro, or make it public."
        )
    if _first(session, "SELECT * FROM vals WHERE owner_id = ? AND name = ?", (owner.id, name)):
        raise ConflictError("Project name already exists")
    (newest,) = session.connection.execute("SELECT coalesce(max(created_at), 0) FROM vals").fetchone()
    val = Val(session.new_id(), owner, name, privacy, description, max(session.now, newest + 1))
    session.connection.execute(
        "INSERT INTO vals (id, owner_id, name, privacy, description, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (val.id, owner.id, name, privacy, description, val.created_at),
    )
    session.connection.execute(
        "INSERT INTO branches (id, val_id, name, version, created_at, updated_at) VALUES (?, ?, ?, 0, ?, ?)",
        (session.new_id(), val.id, MAIN, val.created_at, val.created_at),
    )
    return val


def delete(session: Session, val: Val) -> None:
    """Remove a val with its branches and files."""
    session.connection.execute("DELETE FROM vals WHERE id = ?", (val.id,))


def readable(session: Session, reader: Account, val_id: str) -> Val:
    """Return a val the reader may see: any that is public or unlisted, and their own.

    Raises:
        NotFoundError: there is none, or it is someone else's private one; the answer is the same.
    """
    return _shown_to(reader, _first(session, "SELECT * FROM vals WHERE id = ?", (val_id,)))


def readable_by_name(session: Session, reader: Account, owner: Account, name: str) -> Val:
    """Return a val by its owner and name, under the rules of `readable`."""
    row = _first(session, "SELECT * FROM vals WHERE owner_id = ? AND name = ?", (owner.id, name))
    return _shown_to(reader, row)


def writable(session: Session, writer: Account, val_id: str) -> Val:
    """Return a val of the writer, or of an organization it is in.

    Raises:
        NotFoundError: not theirs. For a val they may read, the message says "Not authorized": Val Town's
            client tells the two cases apart by it (`canWriteToVal` in val-town/vt).
    """
    val = readable(session, writer, val_id)
    if not writer.acts_for(val.owner):
        raise NotFoundError("Not authorized to change this val")
    return val


def owned(session: Session, owner: Account, *, offset: int, limit: int) -> tuple[list[Val], int]:
    """Return a page of the owner's vals, newest first, and how many there are in all."""
    rows = session.connection.execute(
        "SELECT * FROM vals WHERE owner_id = ? ORDER BY created_at DESC LIMIT ? OFFSET ?",
        (owner.id, limit, offset),
    ).fetchall()
    (total,) = session.connection.execute(
        "SELECT count(*) FROM vals WHERE owner_id = ?", (owner.id,)
    ).fetchone()
    return [_val(row) for row in rows], total


def latest(session: Session, *, limit: int) -> list[Val]:
    """Return the newest vals of everybody, private ones too."""
    rows = session.connection.execute(
        "SELECT * FROM vals ORDER BY created_at DESC LIMIT ?", (limit,)
    ).fetchall()
    return [_val(row) for row in rows]


def listed(session: Session, reader: Account, wanted: Filter, *, limit: int) -> list[Val]:
    """Return up to `limit` vals, newest first: public ones of everybody, and all of the reader's own."""
    rows = session.connection.execute(
        """
        SELECT * FROM vals
        WHERE (privacy = 'public' OR owner_id IN (SELECT value FROM json_each(:readers)))
          AND (:privacy IS NULL OR privacy = :privacy)
          AND (:owner IS NULL OR owner_id = :owner)
          AND (:before IS NULL OR created_at < :before)
        ORDER BY created_at DESC LIMIT :limit
        """,
        {
            "readers": json.dumps([reader.id, *(org.id for org in accounts.orgs_of(reader))]),
            "privacy": wanted.privacy,
            "owner": wanted.owner_id,
            "before": wanted.before,
            "limit": limit,
        },
    ).fetchall()
    return [_val(row) for row in rows]


def _first(session: Session, query: str, parameters: tuple[str, ...]) -> sqlite3.Row | None:
    row: sqlite3.Row | None = session.connection.execute(query, parameters).fetchone()
    return row


def _shown_to(reader: Account, row: sqlite3.Row | None) -> Val:
    val = None if row is None else _val(row)
    if val is None or (val.privacy == "private" and not reader.acts_for(val.owner)):
        raise NotFoundError("Val not found")
    return val


def _val(row: sqlite3.Row) -> Val:
    owner = accounts.by_id(row["owner_id"])
    if owner is None:
        raise LookupError(f"val {row['id']} belongs to no account of this sandbox")
    return Val(row["id"], owner, row["name"], row["privacy"], row["description"], row["created_at"])
