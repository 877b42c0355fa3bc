"""POST /mcp: the credential first, then the request, then the answer (MCP "Streamable HTTP")."""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcp_server.endpoints.bearer import Caller
from mcp_server.endpoints.decisions import Decisions
from mcp_server.endpoints.errors import json_response, rpc_error, unavailable
from mcp_server.endpoints.reply import Reply
from mcp_server.endpoints.request_host import RequestHost
from mcp_server.metrics import REFUSALS
from mcp_server.protocol.dispatcher import Incoming
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
from shared.web.limits import RequestRefusedError, read_body

_log = get_logger("mcp:caller")

MAX_BODY_BYTES: Final = 4 * 1024 * 1024

_JSON: Final = b"application/json"


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
        try:
            caller = await self._services.guard.authenticate(scope)
        except Exception as error:
            self._decisions.credential_refused(error)
            return self._services.refusals.answer(error)
        self._decisions.begin(caller.principal)
        # RFC 9745 dates it; `true` is the form that the guide's clients were told of.
        headers = {"Deprecation": "true"} if caller.principal.legacy else {}
        reply.prepare(lambda: self._services.guard.recheck(caller), headers)
        self._services.first_calls.arrived(caller.principal)
        response = await self._answer_caller(caller, scope, receive, reply)
        self._services.first_calls.answered(caller.principal, response.status_code)
        if headers:
            response.headers.update(headers)
        return response

    async def _answer_caller(self, caller: Caller, scope: Scope, receive: Receive, reply: Reply) -> Response:
        try:
            refused = self._check_target(scope)
            if refused is not None:
                self._decisions.request_refused(Why.WRONG_TARGET)
                return refused
            self._check_headers(scope)
            body = await read_body(scope, receive, limit=MAX_BODY_BYTES)
            acting().size = len(body)
            incoming = self._services.dispatcher.read(HeaderFields.of(scope), body)
            reply.request_id = incoming.request_id
            return await self._run(incoming, caller, reply)
        except Exception as error:
            self._decisions.not_run(error)
            return self._services.refusals.answer(error, reply.request_id)

    async def _run(self, incoming: Incoming, caller: Caller, reply: Reply) -> Response:
        principal = caller.principal
        _log.debug(
            "caller", client_id=principal.client_id, grant_id=principal.grant_id, legacy=principal.legacy
        )
        try:
            uses = self._services.dispatcher.permit(incoming, principal.scopes)
            self._services.usage.count(principal, uses)
            host = RequestHost(caller, self._services, reply)
            answer = await self._services.dispatcher.run(incoming, host)
        except ScopeRequiredError as error:
            self._decisions.scope_refused(error)
            raise InsufficientScope(
                f"{error.name} needs the scope {error.scope}.",
                needed=(*principal.granted, error.scope),
            ) from None
        return (
            Response(status_code=answer.status)
            if answer.body is None
            else json_response(answer.status, answer.body)
        )

    def _check_target(self, scope: Scope) -> Response | None:
        if scope["path"] not in self._paths:
            REFUSALS.inc("wrong_target")
            message = f"The MCP endpoint is {self._services.settings.mcp_resource_url}."
            return rpc_error(MCP_NOT_FOUND.status, INVALID_REQUEST.code, message)
        if scope["method"] != "POST":
            REFUSALS.inc("wrong_target")
            # No stream to open and no session to end, in any revision: both need state on one replica.
            response = rpc_error(MCP_WRONG_METHOD.status, INVALID_REQUEST.code, "Only POST is allowed here.")
            response.headers["Allow"] = "POST"
            return response
        return None

    def _check_headers(self, scope: Scope) -> None:
        addresses = self._services.addresses
        fields = HeaderFields.of(scope)
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
