"""Every refusal of `/mcp` as HTTP (RFC 6750 section 3; RFC 9728 section 5.1; JSON-RPC 2.0 section 5.1)."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from mcp_server.auth.jwks import KeysUnavailableError
from mcp_server.auth.verifier import RevocationUnknownError
from mcp_server.endpoints.bearer import LEGACY_HEADER, NoCredentialsError
from mcp_server.metrics import REFUSALS
from mcp_server.protocol.dispatcher import refusal
from mcp_server.protocol.jsonrpc import ProtocolError, RequestId, encode_error
from shared.key_check import WrongEncryptionKeyError
from shared.logs import get_logger
from shared.oauth.errors import InsufficientScope, OAuthError
from shared.oauth.scopes import format_scope
from shared.policy import DEFAULT_SCOPE
from shared.redis.client import StoreError
from shared.refusals.json_rpc import INTERNAL_ERROR, INVALID_REQUEST
from shared.refusals.oauth import NO_CREDENTIALS, UNAVAILABLE
from shared.retry_after import jittered
from shared.web.limits import RequestRefusedError
from shared.web.whole_response import WholeResponse

_UNAVAILABLE: Final[Mapping[type[Exception], str]] = {
    KeysUnavailableError: "keys_unavailable",
    RevocationUnknownError: "revocation_unknown",
    WrongEncryptionKeyError: "encryption_key",
}

_JSON_HEADERS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))

_log = get_logger("mcp:guard")


class Refusals:
    """Turns what was raised into an answer, with the challenge of one resource."""

    def __init__(self, *, resource_metadata: str | None) -> None:
        """Take the URL of the resource's metadata; None when OAuth is off."""
        self._resource_metadata = resource_metadata

    def answer(self, error: Exception, request_id: RequestId | None = None) -> Response:
        """Return the answer for an error, known or not; `request_id` is that of the request it ends."""
        match error:
            case NoCredentialsError():
                REFUSALS.inc("no_credentials")
                # RFC 6750 section 3.1: who sent no credential gets no error code.
                return self._challenge(NO_CREDENTIALS.status, error.reason, request_id, scope=DEFAULT_SCOPE)
            case InsufficientScope():
                REFUSALS.inc(error.error)
                return self._challenge_for(error, request_id, scope=format_scope(error.needed))
            case OAuthError():
                REFUSALS.inc(error.error)
                return self._challenge_for(error, request_id, scope=DEFAULT_SCOPE)
            case ProtocolError():
                answer = refusal(error)
                return json_response(answer.status, answer.body or b"")
            case RequestRefusedError():
                REFUSALS.inc("unreadable")
                return rpc_error(error.status, INVALID_REQUEST.code, error.reason, request_id)
            case KeysUnavailableError() | RevocationUnknownError() | StoreError() | WrongEncryptionKeyError():
                REFUSALS.inc(_UNAVAILABLE.get(type(error), "store_unavailable"))
                _log.warning("cannot serve", reason=type(error).__name__)
                return unavailable(request_id)
        REFUSALS.inc("internal_error")
        _log.error("request failed", exc_info=error)
        return rpc_error(
            INTERNAL_ERROR.status,
            INTERNAL_ERROR.code,
            "The server failed. Nothing is known to be wrong with the request.",
            request_id,
        )

    def _challenge_for(self, error: OAuthError, request_id: RequestId | None, *, scope: str) -> Response:
        return self._challenge(error.status, error.description, request_id, scope=scope, code=error.error)

    def _challenge(
        self,
        status: int,
        description: str,
        request_id: RequestId | None,
        *,
        scope: str,
        code: str | None = None,
    ) -> Response:
        response = rpc_error(status, status, description, request_id, reason=code)
        response.headers["WWW-Authenticate"] = self._header(description, scope, code)
        return response

    def _header(self, description: str, scope: str, code: str | None) -> str:
        if self._resource_metadata is None:
            # Not a registered scheme, but a Bearer challenge would send clients looking for an issuer.
            return f'{LEGACY_HEADER} realm="mcp"'
        parameters = {"resource_metadata": self._resource_metadata, "scope": scope}
        if code is not None:
            parameters = {"error": code, "error_description": description, **parameters}
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def json_response(status: int, body: bytes) -> Response:
    """Return a JSON answer that nobody may keep."""
    return WholeResponse(status, body, _JSON_HEADERS)


def rpc_error(
    status: int, code: int, message: str, request_id: RequestId | None = None, *, reason: str | None = None
) -> Response:
    """Return an answer with a JSON-RPC error.

    Where MCP has no code of its own, `code` is the HTTP status, which JSON-RPC 2.0 section 5.1 leaves to
    applications, and `reason` the OAuth error code, in `data.error`.
    """
    data = None if reason is None else {"error": reason, "error_description": message}
    return json_response(status, encode_error(code, message, data=data, request_id=request_id))


def unavailable(request_id: RequestId | None = None) -> Response:
    """Return the answer to a fault of ours. Never 401: clients throw their credentials away on that."""
    status = UNAVAILABLE.status
    message = "Temporarily unavailable; try again."
    response = rpc_error(status, status, message, request_id, reason=UNAVAILABLE.raised.error)
    response.headers["Retry-After"] = str(jittered())
    return response
