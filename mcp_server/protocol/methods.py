"""One handler for each MCP method served (MCP specification, "Lifecycle", "Discovery" and "Server Features").

A handler takes the request, its params validated, and the exchange; it returns the result object as JSON.
Capabilities are advertised from the same table, so they cannot promise what has no handler.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import mcp_types
from mcp_types.methods import CLIENT_REQUESTS

from mcp_server.metrics import TOOL_CALLS
from mcp_server.protocol.calls import Call, Host
from mcp_server.protocol.completion import complete
from mcp_server.protocol.decisions import CallDecisions
from mcp_server.protocol.encoding import Encoder
from mcp_server.protocol.features import Features
from mcp_server.protocol.input_states import NO_ANSWERS, InputStates
from mcp_server.protocol.jsonrpc import ProtocolError, Request
from mcp_server.protocol.lists import Lists
from mcp_server.protocol.parameters import Parameters
from mcp_server.protocol.reach import Reach
from mcp_server.protocol.readings import get_prompt, read_resource
from mcp_server.protocol.tool_runs import run_tool
from mcp_server.protocol.versions import SUPPORTED, Revision, negotiate
from mcp_server.tools.context import InputRequiredError, MissingCapabilityError
from shared.audit.log import AuditLog
from shared.series import OTHER

DISCOVER_TTL: Final = 3_600_000
"""Milliseconds a client may keep what `server/discover` said: it changes with a deployment only."""


class Exchange(NamedTuple):
    """What a handler may know beside the request: the revision spoken, and what the transport gives."""

    revision: Revision
    host: Host


Handler = Callable[[Request, Exchange], Awaitable[bytes]]


class Methods:
    """The methods of this server over its tools, resources and prompts."""

    def __init__(
        self,
        features: Features,
        *,
        server: mcp_types.Implementation,
        instructions: str,
        input_states: InputStates,
        audit: AuditLog,
    ) -> None:
        """Take what is offered, what the server says of itself, what seals calls' state, and the log."""
        self._features = features
        self._instructions = instructions
        self._input_states = input_states
        self._encoder = Encoder(server)
        self._lists = Lists(features, self._encoder)
        self._reach = Reach(features)
        self.check_scope = self._reach.check
        self._decisions = CallDecisions(audit, self._reach)
        self._parameters = Parameters()
        self._handlers: Mapping[str, Handler] = {
            "initialize": self._initialize,
            "ping": self._nothing,
            "server/discover": self._discover,
            "logging/setLevel": self._nothing,
            "tools/list": self._list,
            "tools/call": self._asking(self._call_tool),
            **self._of_resources(),
            **self._of_prompts(),
            **({"completion/complete": self._complete} if features.resources or features.prompts else {}),
        }

    def answer(self, request: Request, exchange: Exchange) -> Awaitable[bytes]:
        """Return the result of a request as JSON.

        Raises:
            ProtocolError: -32601 when the revision has no such method or this server does not serve it;
                -32602 when the parameters do not fit.
        """
        handler = self._handlers.get(request.method)
        if handler is None or (request.method, exchange.revision.name) not in CLIENT_REQUESTS:
            raise ProtocolError(mcp_types.METHOD_NOT_FOUND, f"There is no method {request.method[:64]}.")
        self._parameters.check(request, exchange.revision)
        return handler(request, exchange)

    def parameter_headers(self, request: Request) -> Mapping[tuple[str, ...], str]:
        """Return which arguments of a call its headers must repeat: path in the arguments → header name."""
        name = request.params.get("name")
        tool = self._features.tools.get(name) if isinstance(name, str) else None
        return tool.parameter_headers if tool is not None else {}

    def _of_resources(self) -> Mapping[str, Handler]:
        if not self._features.resources:
            return {}
        return {
            "resources/list": self._list,
            "resources/templates/list": self._list,
            "resources/read": self._asking(self._read_resource),
            "resources/subscribe": self._watch_nothing,
            "resources/unsubscribe": self._watch_nothing,
        }

    def _of_prompts(self) -> Mapping[str, Handler]:
        if not self._features.prompts:
            return {}
        return {"prompts/list": self._list, "prompts/get": self._asking(self._get_prompt)}

    async def _initialize(self, request: Request, exchange: Exchange) -> bytes:
        revision = negotiate(str(request.params["protocolVersion"]))
        result = {
            "protocolVersion": revision.name,
            "capabilities": self._capabilities(),
            "serverInfo": self._encoder.introduction,
            "instructions": self._instructions,
        }
        return self._encoder.encode("initialize", revision, result)

    async def _discover(self, request: Request, exchange: Exchange) -> bytes:
        result = {
            "supportedVersions": list(SUPPORTED),
            "capabilities": self._capabilities(),
            "instructions": self._instructions,
            "ttlMs": DISCOVER_TTL,
            "_meta": {mcp_types.SERVER_INFO_META_KEY: self._encoder.introduction},
        }
        return self._encoder.encode("server/discover", exchange.revision, result)

    async def _nothing(self, request: Request, exchange: Exchange) -> bytes:
        return b"{}"

    async def _watch_nothing(self, request: Request, exchange: Exchange) -> bytes:
        # Granted as 2025-11-25 has it, but `subscribe` is not advertised: no stream outlives a request here.
        uri = str(request.params["uri"])
        if self._features.resources.find(uri) is None:
            raise ProtocolError(
                mcp_types.INVALID_PARAMS, "There is no such resource.", data={"uri": uri[:4096]}
            )
        return b"{}"

    async def _list(self, request: Request, exchange: Exchange) -> bytes:
        scopes = exchange.host.principal.scopes
        return self._lists.page(request.method, scopes, exchange.revision, request.params.get("cursor"))

    async def _call_tool(self, request: Request, call: Call, revision: Revision) -> bytes:
        name = str(request.params["name"])
        tool = self._features.tools.get(name)
        if tool is None:
            TOOL_CALLS.inc(OTHER, "refused")
            raise ProtocolError(mcp_types.INVALID_PARAMS, f"There is no tool {name[:64]}.")
        arguments = request.params.get("arguments")
        result = await run_tool(tool, call, arguments if isinstance(arguments, dict) else {}, revision)
        if not isinstance(result, mcp_types.CallToolResult):
            return self._encoder.encode_structured(result, revision)
        return self._encoder.encode_call(result, revision)

    async def _read_resource(self, request: Request, call: Call, revision: Revision) -> bytes:
        result = await read_resource(self._features.resources, call, str(request.params["uri"]))
        return self._encoder.encode(request.method, revision, result)

    async def _get_prompt(self, request: Request, call: Call, revision: Revision) -> bytes:
        arguments = request.params.get("arguments")
        given = arguments if isinstance(arguments, dict) else {}
        result = await get_prompt(self._features.prompts, call, str(request.params["name"]), given)
        return self._encoder.encode(request.method, revision, result)

    async def _complete(self, request: Request, exchange: Exchange) -> bytes:
        call = Call(exchange.host, exchange.revision, request, NO_ANSWERS)
        result = await complete(self._features, call, request.params)
        return self._encoder.encode(request.method, exchange.revision, result)

    def _asking(self, run: Callable[[Request, Call, Revision], Awaitable[bytes]]) -> Handler:
        """Return a handler whose call may ask the client for input, over as many requests as it takes."""

        async def handle(request: Request, exchange: Exchange) -> bytes:
            principal, revision = exchange.host.principal, exchange.revision
            with self._decisions.telling(request) as telling:
                answers = self._input_states.open(request, principal) if revision.modern else NO_ANSWERS
                call = Call(exchange.host, revision, request, answers)
                try:
                    result = await run(request, call, revision)
                except InputRequiredError as required:
                    telling.how = "asked"
                    return self._questions(required, request, call)
                except MissingCapabilityError as missing:
                    raise _cannot_ask(missing, revision) from None
                telling.how = "tool_error" if call.has_failed else ""
                return result

        return handle

    def _questions(self, required: InputRequiredError, request: Request, call: Call) -> bytes:
        asked = call.digests(required.questions)
        state = self._input_states.seal(request, call.principal, answers=call.found, asked=asked)
        return self._encoder.encode_questions(required.questions, state)

    def _capabilities(self) -> dict[str, object]:
        capabilities: dict[str, object] = {"tools": {}, "logging": {}}
        if self._features.resources:
            capabilities["resources"] = {}
        if self._features.prompts:
            capabilities["prompts"] = {}
        if "completion/complete" in self._handlers:
            capabilities["completions"] = {}
        return capabilities


def _cannot_ask(missing: MissingCapabilityError, revision: Revision) -> ProtocolError:
    message = f"This needs a client with the capability {missing.capability}."
    if not revision.modern:
        return ProtocolError(mcp_types.INVALID_PARAMS, f"{message} It is there from 2026-07-28 on.")
    data: dict[str, object] = {"requiredCapabilities": {missing.capability: {}}}
    return ProtocolError(mcp_types.MISSING_REQUIRED_CLIENT_CAPABILITY, message, data=data)
