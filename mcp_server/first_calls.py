"""Tells the timeline of an authorization attempt that its access token has arrived here."""

from typing import Final

from mcp_server.auth.principal import Principal
from shared.flows.recorder import FlowRecorder
from shared.flows.steps import Step
from shared.refusals.transport import MCP_WRONG_METHOD

MOST_GRANTS: Final = 10_000
"""Grants remembered as seen. One that was forgotten is noted again; the store knows that it was before."""


class FirstCalls:
    """Notes the first call of each grant, and the first refusal of each kind; others cost a look-up here."""

    def __init__(self, flows: FlowRecorder) -> None:
        """Take what brings steps to the store."""
        self._flows = flows
        self._seen: dict[tuple[str, str], None] = {}

    def arrived(self, principal: Principal) -> None:
        """Note that a request came with a good token."""
        self._note(principal, Step.MCP_CALLED, "")

    def answered(self, principal: Principal, status: int) -> None:
        """Note it when a request with a good token got an HTTP status that refuses it."""
        # Clients ask with GET whether there is a stream; that there is none is no fault.
        if status // 100 in (4, 5) and status != MCP_WRONG_METHOD.status:
            self._note(principal, Step.MCP_REFUSED, str(status))

    def _note(self, principal: Principal, step: Step, status: str) -> None:
        grant_id = principal.grant_id
        if grant_id is None or (grant_id, status) in self._seen:
            return
        if len(self._seen) >= MOST_GRANTS:
            del self._seen[next(iter(self._seen))]
        self._seen[grant_id, status] = None
        self._flows.note_of_grant(grant_id, step, once=True, status=status)
