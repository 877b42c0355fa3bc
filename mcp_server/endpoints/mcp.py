"""POST /mcp: the credential first, then the request, then the answer (MCP "Streamable HTTP")."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcp_server.endpoints.bearer import Caller
from mcp_server.endpoints.decisions import Decisions
from mcp_server.endpoints.errors import json_response, rpc_error, unavailable
from mcp_server.endpoints.reply import Reply
from mcp_server.endpoints.request_host import RequestHost
from mcp_server.metrics import REFUSALS
from mcp_server.protocol.reach import ScopeRequiredError
from mcp_server.services import Services
from shared.audit.acting import acting
from shared.audit.events import Why
from shared.logs import get_logger
from shared.oauth.errors import InsufficientScope
from shared.refusals.json_rpc import INVALID_REQUEST
from shared.refusals.transport import (
    FOREIGN_ORIGIN,
    MCP_NOT_FOUND,
    MCP_WRONG_METHOD,
    WRONG_HOST,
    WRONG_MEDIA_TYPE,
)
from shared.web.draining import is_ending
from shared.web.fields import HeaderFields
from shared.web.limits import RequestRefusedError, read_body, short_body

_log = get_logger("mcp:caller")

MAX_BODY_BYTES: Final = 4 * 1024 * 1024

_JSON: Final = b"application/json"
_NO_HEADERS: Final[Mapping[str, str]] = {}


class McpEndpoint:
    """The MCP endpoint and all below it, as an ASGI app: any method, so that 401 comes before 405."""

    def __init__(self, services: Services, *, paths: frozenset[str]) -> None:
        """Take what the process shares, and the paths that are the endpoint itself."""
        self._services = services
        self._paths = paths
        self._decisions = Decisions(services.audit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        reply = Reply(scope, receive, send)
        try:
            await reply.finish(await self._answer(scope, receive, reply))
        except asyncio.CancelledError:
            await self._end(scope, reply)
        finally:
            reply.close()

    async def _end(self, scope: Scope, reply: Reply) -> None:
        """End a request whose work was cancelled: silently for a client that is gone."""
        task = asyncio.current_task()
        ending = is_ending(scope)
        if task is None or not (reply.abandoned or reply.lapsed or ending):
            raise asyncio.CancelledError
        task.uncancel()
        if ending:
            await reply.finish(unavailable(reply.request_id))
            return
        if reply.abandoned or reply.lapsed is None:
            _log.debug("client gone")
            return
        self._decisions.credential_refused(reply.lapsed)
        await reply.finish(self._services.refusals.answer(reply.lapsed, reply.request_id))

    async def _answer(self, scope: Scope, receive: Receive, reply: Reply) -> Response:
        fields = HeaderFields.of(scope)
        try:
            caller = await self._services.guard.authenticate(fields, scope["query_string"])
        except Exception as error:
            self._decisions.credential_refused(error)
            return self._services.refusals.answer(error)
        principal = caller.principal
        self._decisions.begin(principal)
        # RFC 9745 dates it; `true` is the form that the guide's clients were told of.
        headers = {"Deprecation": "true"} if principal.legacy else _NO_HEADERS
        reply.prepare(lambda: self._services.guard.recheck(caller), headers)
        self._services.first_calls.arrived(principal)
        response = self._check_target(scope)
        if response is None:
            try:
                self._check_headers(fields)
                body = short_body(scope, limit=MAX_BODY_BYTES)
                if body is None:
                    body = await read_body(scope, receive, limit=MAX_BODY_BYTES)
                response = await self._run(fields, body, caller, reply)
            except Exception as error:
                response = self._refuse(error, caller, reply)
        self._services.first_calls.answered(principal, response.status_code)
        if headers:
            response.headers.update(headers)
        return response

    def _refuse(self, error: Exception, caller: Caller, reply: Reply) -> Response:
        if isinstance(error, ScopeRequiredError):
            self._decisions.scope_refused(error)
            needed = (*caller.principal.granted, error.scope)
            error = InsufficientScope(f"{error.name} needs the scope {error.scope}.", needed=needed)
        else:
            self._decisions.not_run(error)
        return self._services.refusals.answer(error, reply.request_id)

    async def _run(self, fields: HeaderFields, body: bytes, caller: Caller, reply: Reply) -> Response:
        acting().size = len(body)
        dispatcher, principal = self._services.dispatcher, caller.principal
        incoming = dispatcher.read(fields, body)
        reply.request_id = incoming.request_id
        _log.debug(
            "caller", client_id=principal.client_id, grant_id=principal.grant_id, legacy=principal.legacy
        )
        uses = dispatcher.permit(incoming, principal.scopes)
        self._services.usage.count(principal, uses)
        answer = await dispatcher.run(incoming, RequestHost(caller, self._services, reply))
        if answer.body is None:
            return Response(status_code=answer.status)
        return json_response(answer.status, answer.body)

    def _check_target(self, scope: Scope) -> Response | None:
        if scope["path"] not in self._paths:
            self._decisions.request_refused(Why.WRONG_TARGET)
            REFUSALS.inc("wrong_target")
            message = f"The MCP endpoint is {self._services.settings.mcp_resource_url}."
            return rpc_error(MCP_NOT_FOUND.status, INVALID_REQUEST.code, message)
        if scope["method"] != "POST":
            self._decisions.request_refused(Why.WRONG_TARGET)
            REFUSALS.inc("wrong_target")
            # No stream to open and no session to end, in any revision: both need state on one replica.
            response = rpc_error(MCP_WRONG_METHOD.status, INVALID_REQUEST.code, "Only POST is allowed here.")
            response.headers["Allow"] = "POST"
            return response
        return None

    def _check_headers(self, fields: HeaderFields) -> None:
        addresses = self._services.addresses
        for origin in fields.all(b"origin"):
            if not addresses.allows_origin(origin.decode("latin-1")):
                raise RequestRefusedError(FOREIGN_ORIGIN, "This Origin is not allowed.")
        hosts = fields.all(b"host")
        if len(hosts) != 1 or not addresses.allows_host(hosts[0].decode("latin-1")):
            raise RequestRefusedError(WRONG_HOST, "This server does not answer for this Host.")
        types = fields.all(b"content-type")
        if len(types) != 1 or not _is_json(types[0]):
            raise RequestRefusedError(WRONG_MEDIA_TYPE, "Content-Type must be application/json.")


def _is_json(media_type: bytes) -> bool:
    return media_type == _JSON or media_type.partition(b";")[0].strip().lower() == _JSON
