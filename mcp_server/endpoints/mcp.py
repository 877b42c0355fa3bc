"""POST /mcp: the credential first, then the request, then the answer (MCP "Streamable HTTP")."""

import hashlib
from typing import Final

import mcp_types
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcp_server.auth.principal import Principal
from mcp_server.endpoints.bearer import Caller
from mcp_server.endpoints.errors import json_response, rpc_error
from mcp_server.protocol.dispatcher import Incoming
from mcp_server.protocol.methods import ScopeRequiredError
from mcp_server.services import Services
from shared.logs import get_logger
from shared.oauth.errors import InsufficientScope
from shared.valtown.client import ValTownClient
from shared.web.limits import RequestRefusedError, read_body

_log = get_logger("mcp:caller")

MAX_BODY_BYTES: Final = 4 * 1024 * 1024


class CallContext:
    """What tools get in one request (`mcp_server.tools.context.ToolContext`)."""

    __slots__ = ("_caller", "_client", "_services")

    def __init__(self, caller: Caller, services: Services) -> None:
        """Take the caller and what the process shares."""
        self._caller = caller
        self._services = services
        self._client: ValTownClient | None = None

    @property
    def principal(self) -> Principal:
        """The caller."""
        return self._caller.principal

    async def valtown(self) -> ValTownClient:
        """Return Val Town as the caller sees it; the credential is looked up at the first use.

        Raises:
            Unauthorized: the grant has no credential any more.
            StoreError: the store did not answer.
        """
        if self._client is None:
            base_url = self._services.settings.val_town_api_url
            token = await self._token()
            share = self._services.val_town_shares.of(_user_of(self.principal, token))
            self._client = ValTownClient(self._services.http, base_url, token, share=share)
        return self._client

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Do nothing: a JSON answer has no room for notifications."""

    async def log(self, level: str, data: object) -> None:
        """Do nothing: a JSON answer has no room for notifications."""

    async def _token(self) -> str:
        if self._caller.val_town_token is not None:
            return self._caller.val_town_token
        tokens = self._services.val_town_tokens
        if tokens is None:
            raise RuntimeError("a grant without OAuth")
        return await tokens.token_of(self._caller.principal)


class McpEndpoint:
    """The MCP endpoint and all below it, as an ASGI app: any method, so that 401 comes before 405."""

    def __init__(self, services: Services, *, paths: frozenset[str]) -> None:
        """Take what the process shares, and the paths that are the endpoint itself."""
        self._services = services
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(scope, receive)
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        try:
            caller = await self._services.guard.authenticate(scope)
        except Exception as error:
            return self._services.refusals.answer(error)
        response = await self._answer_caller(caller, scope, receive)
        if caller.principal.legacy:
            # RFC 9745 dates it; `true` is the form that the guide's clients were told of.
            response.headers["Deprecation"] = "true"
        return response

    async def _answer_caller(self, caller: Caller, scope: Scope, receive: Receive) -> Response:
        incoming: Incoming | None = None
        try:
            refused = self._check_target(scope)
            if refused is not None:
                return refused
            self._check_headers(scope)
            body = await read_body(scope, receive, limit=MAX_BODY_BYTES)
            incoming = self._services.dispatcher.read(scope["headers"], body)
            return await self._run(incoming, caller)
        except Exception as error:
            return self._services.refusals.answer(error, incoming.request_id if incoming else None)

    async def _run(self, incoming: Incoming, caller: Caller) -> Response:
        principal = caller.principal
        _log.debug(
            "caller", client_id=principal.client_id, grant_id=principal.grant_id, legacy=principal.legacy
        )
        try:
            self._services.dispatcher.permit(incoming, principal.scopes)
            answer = await self._services.dispatcher.run(incoming, CallContext(caller, self._services))
        except ScopeRequiredError as error:
            raise InsufficientScope(
                f"The tool {error.tool} needs the scope {error.scope}.",
                needed=(*principal.granted, error.scope),
            ) from None
        return (
            Response(status_code=answer.status)
            if answer.body is None
            else json_response(answer.status, answer.body)
        )

    def _check_target(self, scope: Scope) -> Response | None:
        if scope["path"] not in self._paths:
            message = f"The MCP endpoint is {self._services.settings.mcp_resource_url}."
            return rpc_error(404, mcp_types.INVALID_REQUEST, message)
        if scope["method"] != "POST":
            # No stream to open and no session to end, in any revision: both need state on one replica.
            response = rpc_error(405, mcp_types.INVALID_REQUEST, "Only POST is allowed here.")
            response.headers["Allow"] = "POST"
            return response
        return None

    def _check_headers(self, scope: Scope) -> None:
        addresses = self._services.addresses
        for origin in _header(scope, b"origin"):
            if not addresses.allows_origin(origin):
                raise RequestRefusedError(403, "This Origin is not allowed.")
        hosts = _header(scope, b"host")
        if len(hosts) != 1 or not addresses.allows_host(hosts[0]):
            raise RequestRefusedError(421, "This server does not answer for this Host.")
        types = _header(scope, b"content-type")
        if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
            raise RequestRefusedError(415, "Content-Type must be application/json.")


def _user_of(principal: Principal, token: str) -> str:
    # Callers with the legacy header have no name of their own.
    return hashlib.sha256(token.encode()).hexdigest() if principal.legacy else principal.subject


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]
