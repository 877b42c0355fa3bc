"""Tells the audit log how each call of a tool, reading of a resource and use of a prompt ended."""

import asyncio
from collections.abc import Mapping
from typing import Final

from mcp_server.protocol.jsonrpc import ProtocolError, Request
from mcp_server.protocol.reach import Reach
from shared.audit.events import Event, Outcome, Why
from shared.audit.log import AuditLog

_EVENTS: Final[Mapping[str, Event]] = {
    "tools/call": Event.TOOL_CALLED,
    "resources/read": Event.RESOURCE_READ,
    "prompts/get": Event.PROMPT_GOT,
}
_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "": Outcome.ALLOWED,
    Why.ASKED: Outcome.ALLOWED,
    # Its scope was there and the tool ran: what Val Town made of it is no denial of ours.
    Why.TOOL_ERROR: Outcome.FAILED,
    Why.REFUSED: Outcome.DENIED,
    Why.FAILED: Outcome.FAILED,
    Why.CANCELLED: Outcome.FAILED,
}


class Telling:
    """Tells, at the end of a block, how the call ended that was answered in it.

    `how` is a word of `Why`, empty when the call gave what was asked for.
    """

    __slots__ = ("_decisions", "_request", "how")

    def __init__(self, decisions: "CallDecisions", request: Request) -> None:
        """Take where it is told, and the request."""
        self._decisions = decisions
        self._request = request
        self.how = ""

    def __enter__(self) -> "Telling":
        """Return itself, so that the block can say how it ended."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Tell how it ended; what was raised passes through."""
        self._decisions.tell(self._request, self.how if error is None else _how(error))


class CallDecisions:
    """Tells the log of calls. The name is told where it is one of ours; everything else is a digest."""

    def __init__(self, audit: AuditLog, reach: Reach) -> None:
        """Take the log, and what finds what a request is about."""
        self._audit = audit
        self._reach = reach

    def telling(self, request: Request) -> Telling:
        """Return the block in which a request is to be answered."""
        return Telling(self, request)

    def tell(self, request: Request, how: str) -> None:
        """Tell how a call ended."""
        if not self._audit.is_on:
            return
        offered = self._reach.about(request)
        params = request.params
        self._audit.note(
            _EVENTS[request.method],
            _OUTCOMES[how],
            how,
            name="" if offered is None else offered.name,
            scopes=() if offered is None or offered.scope is None else (offered.scope,),
            arguments={"uri": params.get("uri")} if "uri" in params else params.get("arguments") or {},
        )


def _how(error: BaseException) -> Why:
    if isinstance(error, asyncio.CancelledError):
        return Why.CANCELLED
    return Why.REFUSED if isinstance(error, ProtocolError) else Why.FAILED
