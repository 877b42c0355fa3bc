"""Email: kept instead of sent, and shown on the start page."""

import json
from dataclasses import dataclass

from mcp_server.sandbox import accounts
from mcp_server.sandbox.accounts import Account
from mcp_server.sandbox.errors import ForbiddenError
from mcp_server.sandbox.store import Session

SHOWN = 20
KEPT = 1000


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted; `sent_at` in milliseconds since 1970."""

    sender: str
    recipients: tuple[str, ...]
    subject: str
    sent_at: int


def send(session: Session, sender: Account, recipients: list[str], message: dict[str, object]) -> None:
    """Keep a message; without recipients it goes to the sender.

    Raises:
        ForbiddenError: the free tier mails only its owner (val.town/pricing; the status is a guess).
    """
    if sender.tier == "free" and any(address != sender.email for address in recipients):
        raise ForbiddenError("On the free tier email can only be sent to yourself.")
    kept = {**message, "recipients": recipients or [sender.email]}
    session.connection.execute(
        "INSERT INTO emails (id, owner_id, sent_at, message) VALUES (?, ?, ?, ?)",
        (session.new_id(), sender.id, session.now, json.dumps(kept)),
    )
    session.connection.execute(
        "DELETE FROM emails WHERE rowid NOT IN (SELECT rowid FROM emails ORDER BY rowid DESC LIMIT ?)",
        (KEPT,),
    )


def latest(session: Session) -> list[Sent]:
    """Return the newest messages of all accounts, newest first."""
    rows = session.connection.execute("SELECT * FROM emails ORDER BY rowid DESC LIMIT ?", (SHOWN,)).fetchall()
    sent = []
    for row in rows:
        message = json.loads(row["message"])
        owner = accounts.by_id(row["owner_id"])
        sent.append(
            Sent(
                owner.username if owner else "",
                tuple(message["recipients"]),
                message.get("subject") or "",
                row["sent_at"],
            )
        )
    return sent
