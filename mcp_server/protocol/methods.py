"""One handler for each MCP method served (MCP specification, "Lifecycle", "Discovery", "Tools").

A handler takes the validated `params` and the exchange, and returns the result object as JSON. Capabilities
are advertised from the same table, so they cannot promise what has no handler.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import mcp_types
from mcp_types.methods import CLIENT_REQUESTS, serialize_server_result, validate_client_request
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from mcp_server.protocol.jsonrpc import ProtocolError, Request
from mcp_server.protocol.versions import SUPPORTED, Revision, negotiate
from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Tool, ToolRegistry

DISCOVER_TTL: Final = 3_600_000
"""Milliseconds a client may keep what `server/discover` said: it changes with a deployment only."""

TOOLS_TTL: Final = 60_000
"""Milliseconds a client may keep its list of tools: it changes when the person grants more."""

_CAPABILITY: Final = {"tools/list": "tools"}
_KEPT_LISTS: Final = 256
_CALL_RESULT: Final = TypeAdapter(mcp_types.CallToolResult)


class ScopeRequiredError(Exception):
    """The caller's grant does not reach to a tool; raised before anything runs."""

    def __init__(self, tool: str, scope: str) -> None:
        """Take the tool's name and the scope that opens it."""
        super().__init__(f"{tool} needs {scope}")
        self.tool = tool
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a handler may know beside the parameters: the revision spoken, and who calls."""

    revision: Revision
    context: ToolContext


Handler = Callable[[Mapping[str, object], Exchange], Awaitable[bytes]]


class Methods:
    """The methods of this server over one registry of tools."""

    def __init__(
        self, registry: ToolRegistry, *, server: mcp_types.Implementation, instructions: str
    ) -> None:
        """Take the tools, and what the server says about itself."""
        self._registry = registry
        self._instructions = instructions
        self._server = server.model_dump(mode="json", by_alias=True, exclude_none=True)
        self._lists: dict[tuple[frozenset[str], Revision], bytes] = {}
        self._handlers: Mapping[str, Handler] = {
            "initialize": self._initialize,
            "ping": self._ping,
            "server/discover": self._discover,
            "tools/list": self._tools_list,
            "tools/call": self._tools_call,
        }

    async def answer(self, request: Request, exchange: Exchange) -> bytes:
        """Return the result of a request as JSON.

        Raises:
            ProtocolError: -32601 when the revision has no such method or this server does not serve it;
                -32602 when the parameters do not fit.
            ScopeRequiredError: as `check_scope`.
        """
        handler = self._handlers.get(request.method)
        if handler is None or (request.method, exchange.revision.name) not in CLIENT_REQUESTS:
            raise ProtocolError(mcp_types.METHOD_NOT_FOUND, f"There is no method {request.method[:64]}.")
        _check_params(request, exchange.revision)
        return await handler(request.params, exchange)

    def check_scope(self, request: Request, scopes: frozenset[str]) -> None:
        """Refuse a call of a tool beyond these scopes; say nothing about any other request.

        Raises:
            ScopeRequiredError: the tool exists and needs a scope that is not among them.
        """
        if request.method != "tools/call":
            return
        name = request.params.get("name")
        tool = self._registry.get(name) if isinstance(name, str) else None
        if tool is not None:
            _check_reach(tool, scopes)

    async def _initialize(self, params: Mapping[str, object], exchange: Exchange) -> bytes:
        revision = negotiate(str(params["protocolVersion"]))
        result: dict[str, object] = {
            "protocolVersion": revision.name,
            "capabilities": self._capabilities(),
            "serverInfo": self._server,
            "instructions": self._instructions,
        }
        return self._encode("initialize", revision, result)

    async def _ping(self, params: Mapping[str, object], exchange: Exchange) -> bytes:
        return b"{}"

    async def _discover(self, params: Mapping[str, object], exchange: Exchange) -> bytes:
        result: dict[str, object] = {
            "supportedVersions": list(SUPPORTED),
            "capabilities": self._capabilities(),
            "instructions": self._instructions,
            "ttlMs": DISCOVER_TTL,
        }
        return self._encode("server/discover", exchange.revision, result)

    async def _tools_list(self, params: Mapping[str, object], exchange: Exchange) -> bytes:
        if params.get("cursor") is not None:
            # All tools fit one page, so no cursor was ever given out.
            raise ProtocolError(mcp_types.INVALID_PARAMS, "params.cursor is not one of this server's.")
        key = (exchange.context.principal.scopes, exchange.revision)
        kept = self._lists.get(key)
        if kept is None:
            if len(self._lists) >= _KEPT_LISTS:
                self._lists.pop(next(iter(self._lists)))
            kept = self._lists[key] = self._list_tools(*key)
        return kept

    def _list_tools(self, scopes: frozenset[str], revision: Revision) -> bytes:
        tools = [
            tool.definition.model_dump(mode="json", by_alias=True, exclude_none=True)
            for tool in self._registry.visible(scopes)
        ]
        return self._encode("tools/list", revision, {"tools": tools, "ttlMs": TOOLS_TTL})

    async def _tools_call(self, params: Mapping[str, object], exchange: Exchange) -> bytes:
        name = str(params["name"])
        tool = self._registry.get(name)
        if tool is None:
            raise ProtocolError(mcp_types.INVALID_PARAMS, f"There is no tool {name[:64]}.")
        _check_reach(tool, exchange.context.principal.scopes)
        arguments = params.get("arguments")
        result = await tool.call(exchange.context, arguments if isinstance(arguments, dict) else {})
        return self._encode_call(result, exchange.revision)

    def _capabilities(self) -> dict[str, object]:
        return {name: {} for method, name in _CAPABILITY.items() if method in self._handlers}

    def _encode_call(self, result: mcp_types.CallToolResult, revision: Revision) -> bytes:
        # Straight from the model: it was built here, and fits every revision but for what is set or left out
        # below. Validating it again would cost more than anything else in a request.
        if not revision.modern:
            return _CALL_RESULT.dump_json(result, by_alias=True, exclude_none=True, exclude={"result_type"})
        meta = {**(result.meta or {}), mcp_types.SERVER_INFO_META_KEY: self._server}
        stamped = result.model_copy(update={"meta": meta})
        return _CALL_RESULT.dump_json(stamped, by_alias=True, exclude_none=True)

    def _encode(self, method: str, revision: Revision, result: dict[str, object]) -> bytes:
        if revision.modern:
            result = {
                "resultType": "complete",
                # Every list depends on what the caller was granted.
                "cacheScope": "private",
                **result,
                "_meta": {**_members(result.get("_meta")), mcp_types.SERVER_INFO_META_KEY: self._server},
            }
        # Drops what this revision's schema does not have.
        return to_json(serialize_server_result(method, revision.name, result))


def _check_params(request: Request, revision: Revision) -> None:
    try:
        validate_client_request(request.method, revision.name, request.params or None)
    except ValidationError as error:
        # Only where it is wrong: the library's own words quote the caller's values.
        where = sorted({".".join(str(step) for step in detail["loc"][:4]) for detail in error.errors()})
        message = f"These parameters of {request.method} are missing or wrong: {', '.join(where[:8])}."
        raise ProtocolError(mcp_types.INVALID_PARAMS, message) from None


def _check_reach(tool: Tool, scopes: frozenset[str]) -> None:
    if tool.scope is not None and tool.scope not in scopes:
        raise ScopeRequiredError(tool.name, tool.scope)


def _members(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
