"""Tells the audit log what is decided about a request before anything in it runs."""

from collections.abc import Mapping
from typing import Final

from mcp_server.auth.jwks import KeysUnavailableError
from mcp_server.auth.principal import Principal
from mcp_server.auth.verifier import RevocationUnknownError
from mcp_server.endpoints.bearer import NoCredentialsError
from mcp_server.protocol.jsonrpc import ProtocolError
from mcp_server.protocol.reach import ScopeRequiredError
from shared.audit.acting import acting
from shared.audit.events import Event, Outcome, Why
from shared.audit.log import AuditLog
from shared.flows.steps import Reason
from shared.oauth.errors import InsufficientScope, OAuthError, TemporarilyUnavailable
from shared.refusals.transport import FOREIGN_ORIGIN, WRONG_HOST
from shared.web.limits import RequestRefusedError

_FAULTS: Final[Mapping[type[Exception], Why]] = {
    KeysUnavailableError: Why.KEYS_UNAVAILABLE,
    RevocationUnknownError: Why.REVOCATION_UNKNOWN,
}
_TRANSPORT: Final[Mapping[int, Why]] = {
    FOREIGN_ORIGIN.status: Why.FOREIGN_ORIGIN,
    WRONG_HOST.status: Why.WRONG_HOST,
}


class Decisions:
    """Tells the log of credentials, requests and scopes that were refused."""

    def __init__(self, audit: AuditLog) -> None:
        """Take the log."""
        self._audit = audit

    def begin(self, principal: Principal) -> None:
        """Say who sends the request, for every record of it."""
        known = acting()
        known.subject = principal.subject
        known.client_id = principal.client_id or ""
        known.grant_id = principal.grant_id or ""
        known.token_id = principal.token_id or ""

    def credential_refused(self, error: Exception) -> None:
        """Tell that nobody may act with what the request brought, or that this could not be decided."""
        if isinstance(error, NoCredentialsError):
            self._audit.note(Event.CREDENTIAL_CHECKED, Outcome.DENIED, Why.NO_CREDENTIALS)
        elif isinstance(error, OAuthError) and not isinstance(error, TemporarilyUnavailable):
            self._audit.note(Event.CREDENTIAL_CHECKED, Outcome.DENIED, error.reason)
        else:
            reason = _FAULTS.get(type(error), Reason.TEMPORARILY_UNAVAILABLE)
            self._audit.note(Event.CREDENTIAL_CHECKED, Outcome.FAILED, reason)

    def request_refused(self, reason: str) -> None:
        """Tell that the request as a whole is refused."""
        self._audit.note(Event.REQUEST_READ, Outcome.DENIED, reason)

    def not_run(self, error: Exception) -> None:
        """Tell what kept a request from being run; faults while it ran are told by the call."""
        if isinstance(error, RequestRefusedError):
            self.request_refused(_TRANSPORT.get(error.status, Why.UNREADABLE))
        elif isinstance(error, ProtocolError):
            self.request_refused(Why.UNREADABLE)

    def scope_refused(self, error: ScopeRequiredError) -> None:
        """Tell that the grant does not reach so far."""
        self._audit.note(
            Event.SCOPE_CHECKED,
            Outcome.DENIED,
            InsufficientScope.error,
            name=error.name,
            scopes=(error.scope,),
        )
