"""Blobs: bytes under a key, one store for the whole account."""

from dataclasses import dataclass

from mcp_server.sandbox.accounts import Account, Tier
from mcp_server.sandbox.errors import BlobError, NotFoundError
from mcp_server.sandbox.store import Session

MAX_KEY = 512
ROOM: dict[Tier, int] = {"free": 10 << 20, "pro": 1 << 30, "business": 1 << 30}
"""Bytes an account may store (val.town/pricing)."""


@dataclass(frozen=True, slots=True)
class Item:
    """A blob without its bytes; `modified_at` in milliseconds since 1970."""

    key: str
    size: int
    modified_at: int


def listed(session: Session, owner: Account, prefix: str) -> list[Item]:
    """Return every blob whose key begins with `prefix`, by key."""
    rows = session.connection.execute(
        """
        SELECT key, length(content) AS size, modified_at FROM blobs
        WHERE owner_id = ? AND substr(key, 1, length(?)) = ? ORDER BY key
        """,
        (owner.id, prefix, prefix),
    ).fetchall()
    return [Item(row["key"], row["size"], row["modified_at"]) for row in rows]


def read(session: Session, owner: Account, key: str) -> bytes:
    """Return the bytes under a key.

    Raises:
        NotFoundError: there are none.
    """
    row = session.connection.execute(
        "SELECT content FROM blobs WHERE owner_id = ? AND key = ?", (owner.id, key)
    ).fetchone()
    if row is None:
        raise NotFoundError("Blob not found")
    return bytes(row["content"])


def store(session: Session, owner: Account, key: str, content: bytes) -> None:
    """Put bytes under a key, in place of what is there.

    Raises:
        BlobError: the key is empty or too long, or the account's room is used up.
    """
    if not 1 <= len(key) <= MAX_KEY:
        raise BlobError(f"params/key must have 1 to {MAX_KEY} characters")
    (used,) = session.connection.execute(
        "SELECT coalesce(sum(length(content)), 0) FROM blobs WHERE owner_id = ? AND key != ?", (owner.id, key)
    ).fetchone()
    if used + len(content) > ROOM[owner.tier]:
        raise BlobError("Storage limit of the plan reached")
    session.connection.execute(
        "INSERT OR REPLACE INTO blobs (owner_id, key, content, modified_at) VALUES (?, ?, ?, ?)",
        (owner.id, key, content, session.now),
    )


def delete(session: Session, owner: Account, key: str) -> None:
    """Remove what is under a key.

    Raises:
        NotFoundError: there is nothing (the status is a guess).
    """
    gone = session.connection.execute(
        "DELETE FROM blobs WHERE owner_id = ? AND key = ?", (owner.id, key)
    ).rowcount
    if not gone:
        raise NotFoundError("Blob not found")
