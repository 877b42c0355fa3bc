"""One app in one account: its codes, access tokens and refresh tokens, and how they end.

Only hashes are kept, as of the real ones. A code or refresh token that comes back ends the connection.
"""

import base64
import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from mcp_server.sandbox.accounts import Access, Account, by_id
from mcp_server.sandbox.oauth import scopes
from mcp_server.sandbox.oauth.clients import digest
from mcp_server.sandbox.oauth.errors import OAuthError
from mcp_server.sandbox.store import Session

CODE_SECONDS = 60
ACCESS_SECONDS = 86_400
REFRESH_SECONDS = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Asked:
    """What an authorization request asked for and a person allowed."""

    client_id: str
    redirect_uri: str
    challenge: str
    scope: str


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens of a connection; `refresh_token` is empty without offline_access."""

    access_token: str
    refresh_token: str
    scope: str


@dataclass(frozen=True, slots=True)
class Connection:
    """What a person sees of an app."""

    id: str
    client_id: str
    username: str
    scope: str


def allow(session: Session, asked: Asked, account: Account) -> str:
    """Make a connection; return its code."""
    connection_id, code = session.new_id(), secrets.token_urlsafe(32)
    session.connection.execute(
        "INSERT INTO connections (id, client_id, account_id, scope, created_at) VALUES (?, ?, ?, ?, ?)",
        (connection_id, asked.client_id, account.id, asked.scope, session.now),
    )
    session.connection.execute(
        "INSERT INTO codes (hash, connection_id, redirect_uri, challenge, expires_at) VALUES (?, ?, ?, ?, ?)",
        (
            digest(code),
            connection_id,
            asked.redirect_uri,
            asked.challenge,
            session.now + CODE_SECONDS * 1000,
        ),
    )
    return code


def redeem(session: Session, code: str, *, client_id: str, redirect_uri: str, verifier: str) -> Issued | None:
    """Exchange a code; None: it was used before, and its connection has ended.

    Raises:
        OAuthError: `invalid_grant`; it is not good for this request, and nothing has changed.
    """
    row = session.connection.execute(
        """
        SELECT codes.*, client_id, scope FROM codes JOIN connections ON connections.id = connection_id
        WHERE hash = ?
        """,
        (digest(code),),
    ).fetchone()
    given = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    if row is None or (row["client_id"], row["redirect_uri"], row["challenge"]) != (
        client_id,
        redirect_uri,
        given,
    ):
        raise OAuthError("invalid_grant", "grant request is invalid")
    if row["used"]:
        end(session, row["connection_id"])
        return None
    if row["expires_at"] <= session.now:
        raise OAuthError("invalid_grant", "grant request is invalid")
    session.connection.execute("UPDATE codes SET used = 1 WHERE hash = ?", (digest(code),))
    return _issue(session, row["connection_id"], row["scope"])


def refresh(session: Session, token: str, *, client_id: str) -> Issued | None:
    """Exchange a refresh token for its successor; None: it was used before, and its connection has ended.

    Raises:
        OAuthError: `invalid_grant`; it is not good for this client, and nothing has changed.
    """
    row = _token(session, token, "refresh")
    if row is None or row["client_id"] != client_id or row["expires_at"] <= session.now:
        raise OAuthError("invalid_grant", "grant request is invalid")
    if row["used"]:
        end(session, row["connection_id"])
        return None
    session.connection.execute("UPDATE tokens SET used = 1 WHERE hash = ?", (digest(token),))
    return _issue(session, row["connection_id"], row["scope"])


def revoke(session: Session, token: str, *, client_id: str) -> None:
    """End the connection that a token belongs to (RFC 7009); nothing for one that is unknown."""
    row = _token(session, token, "refresh") or _token(session, token, "access")
    if row is not None and row["client_id"] == client_id:
        end(session, row["connection_id"])


def end(session: Session, connection_id: str) -> bool:
    """Take back a connection with all that came from it; return whether there was one."""
    found = session.connection.execute("DELETE FROM connections WHERE id = ?", (connection_id,))
    return found.rowcount > 0


def access(session: Session, token: str) -> Access | None:
    """Return what an access token opens, if it is good."""
    row = _token(session, token, "access")
    account = None if row is None or row["expires_at"] <= session.now else by_id(row["account_id"])
    return None if row is None or account is None else Access(account, scopes.permissions(row["scope"]))


def listed(session: Session) -> list[Connection]:
    """Return every connection, newest first."""
    rows = session.connection.execute(
        "SELECT id, client_id, account_id, scope FROM connections ORDER BY created_at DESC LIMIT 100"
    ).fetchall()
    found = []
    for row in rows:
        account = by_id(row["account_id"])
        name = account.username if account else ""
        found.append(Connection(row["id"], row["client_id"], name, row["scope"]))
    return found


def _issue(session: Session, connection_id: str, scope: str) -> Issued:
    access_token = secrets.token_urlsafe(32)
    _keep(session, access_token, connection_id, "access", ACCESS_SECONDS)
    refresh_token = ""
    if scopes.OFFLINE_ACCESS in scope.split(" "):
        refresh_token = secrets.token_urlsafe(32)
        _keep(session, refresh_token, connection_id, "refresh", REFRESH_SECONDS)
    return Issued(access_token, refresh_token, scope)


def _keep(session: Session, token: str, connection_id: str, kind: str, seconds: int) -> None:
    session.connection.execute(
        "INSERT INTO tokens (hash, connection_id, kind, expires_at) VALUES (?, ?, ?, ?)",
        (digest(token), connection_id, kind, session.now + seconds * 1000),
    )


def _token(session: Session, token: str, kind: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = session.connection.execute(
        """
        SELECT tokens.*, client_id, account_id, scope FROM tokens
        JOIN connections ON connections.id = connection_id WHERE hash = ? AND kind = ?
        """,
        (digest(token), kind),
    ).fetchone()
    return found
