"""Who acts in the request being answered: what becomes known on the way, for every record of it."""

from contextvars import ContextVar
from typing import Final


class Acting:
    """What is known of a request; each is empty until it is known, and proved.

    Attributes:
        request_id: as in the log.
        subject: the pseudonymous id of the person.
        client_id: of the app.
        grant_id: of the grant.
        token_id: `jti` of the access token.
        flow: the id of the authorization attempt.
        size: bytes of the body: what a record that holds on to it weighs.
    """

    __slots__ = ("client_id", "flow", "grant_id", "request_id", "size", "subject", "token_id")

    def __init__(self, request_id: str = "") -> None:
        """Take the id of the request."""
        self.request_id = request_id
        self.subject = ""
        self.client_id = ""
        self.grant_id = ""
        self.token_id = ""
        self.flow = ""
        self.size = 0


_NOBODY: Final = Acting()
_ACTING: Final[ContextVar[Acting]] = ContextVar("acting", default=_NOBODY)


def begin(request_id: str) -> None:
    """Begin a request of which nothing else is known yet."""
    _ACTING.set(Acting(request_id))


acting = _ACTING.get
"""Return who acts; to be changed only between `begin` and the end of a request."""


def learn(*, subject: str = "", client_id: str = "", grant_id: str = "", flow: str = "") -> None:
    """Remember what became known; what is empty stays as it was. Without effect outside of a request."""
    known = _ACTING.get()
    if known is _NOBODY:
        return
    known.subject = subject or known.subject
    known.client_id = client_id or known.client_id
    known.grant_id = grant_id or known.grant_id
    known.flow = flow or known.flow
