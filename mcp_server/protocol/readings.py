"""`resources/read` and `prompts/get`: what Val Town refuses becomes a JSON-RPC error."""

from collections.abc import Mapping
from typing import Final

import mcp_types

from mcp_server.prompts.registry import PromptRegistry
from mcp_server.protocol.jsonrpc import ProtocolError
from mcp_server.resources.registry import ResourceRegistry
from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import Circumstances, ToolError, describe
from shared.refusals.json_rpc import UPSTREAM_FAILED
from shared.valtown.errors import NotFound, OutsideLimit, ValTownError

READ_TTL: Final = 0
"""Milliseconds a client may keep what it read: anybody may change it at Val Town at any time."""


async def read_resource(registry: ResourceRegistry, context: ToolContext, uri: str) -> Mapping[str, object]:
    """Return the result of `resources/read`.

    Raises:
        ProtocolError: -32602 with the URI when there is no such resource, here or at Val Town; 502 with
            advice when Val Town did not give it.
    """
    found = registry.find(uri)
    if found is None:
        raise _not_found("There is no such resource.", uri)
    circumstances = Circumstances(found.resource.scope, read_only=True, legacy=context.principal.legacy)
    try:
        content = await found.resource.read(context, uri, found.values)
    except (ToolError, ValTownError) as failure:
        raise _failed(failure, circumstances, uri) from None
    written = content.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"contents": [written], "ttlMs": READ_TTL}


async def get_prompt(
    registry: PromptRegistry, context: ToolContext, name: str, arguments: Mapping[str, object]
) -> Mapping[str, object]:
    """Return the result of `prompts/get`.

    Raises:
        ProtocolError: -32602 when there is no such prompt or the arguments do not fit; 502 as above.
    """
    prompt = registry.get(name)
    if prompt is None:
        raise ProtocolError(mcp_types.INVALID_PARAMS, f"There is no prompt {name[:64]}.")
    circumstances = Circumstances(prompt.scope, read_only=True, legacy=context.principal.legacy)
    try:
        result = await prompt.get(context, arguments)
    except (ToolError, ValTownError) as failure:
        raise _failed(failure, circumstances, None) from None
    written: dict[str, object] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
    return written


def _failed(
    failure: ToolError | ValTownError, circumstances: Circumstances, uri: str | None
) -> ProtocolError:
    upstream = failure.upstream if isinstance(failure, ToolError) else failure
    message = describe(failure, circumstances)
    if uri is not None and isinstance(upstream, NotFound | OutsideLimit):
        return _not_found(message, uri)
    code = mcp_types.INVALID_PARAMS if upstream is None else UPSTREAM_FAILED.code
    return ProtocolError(code, message)


def _not_found(message: str, uri: str) -> ProtocolError:
    return ProtocolError(mcp_types.INVALID_PARAMS, message, data={"uri": uri[:4096]})
