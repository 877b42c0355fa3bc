"""Where a grant's records are, and what the first of them says."""

from collections.abc import Mapping

from auth_server.models import Grant
from shared.credentials import credential_key
from shared.flows.steps import FLOW_SECONDS
from shared.flows.store import flow_link, grant_key
from shared.revocation import deny_key
from shared.usage import usage_key


class GrantKeys:
    """The keys of one grant, all in its hash slot."""

    __slots__ = ("code", "credential", "deny", "flow", "grant", "successor", "usage")

    def __init__(self, grant_id: str) -> None:
        """Take the id of the grant."""
        self.grant = grant_key(grant_id)
        self.code = f"vt:{{{grant_id}}}:code"
        self.successor = f"vt:{{{grant_id}}}:successor"
        self.credential = credential_key(grant_id)
        self.deny = deny_key(grant_id)
        self.usage = usage_key(grant_id)
        self.flow = flow_link(grant_id)


def user_key(subject: str) -> str:
    """Return the key of the list of a person's newest grants."""
    return f"vt:user:{subject}:grants"


def client_grants_key(client_id: str) -> str:
    """Return the key of the list of a client's newest grants."""
    return f"vt:client-grants:{client_id}"


def grant_of(grant_id: str, record: Mapping[str, str], now: float) -> Grant | None:
    """Return the grant that a record describes; None when there is none, or it is neither pending nor active.

    `now` is in seconds since the epoch: the attempt that a grant came from is remembered for a day.
    """
    if record.get("status") not in ("pending", "active"):
        return None
    is_remembered = int(record["created_at"]) > (now - FLOW_SECONDS) * 1000
    return Grant(
        grant_id=grant_id,
        client_id=record["client"],
        subject=record["subject"],
        username=record["username"],
        scopes=tuple(record["scope"].split()),
        resource=record["resource"],
        vals=tuple(record.get("vals", "").split()),
        version=int(record.get("version", 0)),
        approved=tuple(record.get("approved", "").split()),
        flow=record.get("flow", "") if is_remembered else "",
    )
