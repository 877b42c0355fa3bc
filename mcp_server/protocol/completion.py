"""`completion/complete`: suggestions for a prompt's arguments and a template's variables."""

from collections.abc import Mapping
from typing import Any, Final

import mcp_types

from mcp_server.prompts.registry import Prompt
from mcp_server.protocol.features import Features
from mcp_server.protocol.jsonrpc import ProtocolError
from mcp_server.resources.registry import Resource
from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import ToolError
from shared.valtown.errors import ValTownError

MOST_VALUES: Final = 100


async def complete(
    features: Features, context: ToolContext, params: Mapping[str, Any]
) -> Mapping[str, object]:
    """Return the result: none where nothing suggests, or where Val Town did not answer.

    Raises:
        ProtocolError: -32602, there is no such prompt or template.
    """
    target = _target(features, params["ref"])
    argument = params["argument"]
    suggest = target.completions.get(argument["name"])
    known = (params.get("context") or {}).get("arguments") or {}
    values: list[str] = []
    if suggest is not None:
        try:
            values = await suggest(context, argument["value"], known)
        except (ToolError, ValTownError):
            # Suggestions are a help while typing; what is wrong shows when the thing itself is asked for.
            values = []
    return {
        "completion": {
            "values": values[:MOST_VALUES],
            "total": len(values),
            "hasMore": len(values) > MOST_VALUES,
        }
    }


def _target(features: Features, reference: Mapping[str, Any]) -> Prompt | Resource:
    found: Prompt | Resource | None
    if reference["type"] == "ref/prompt":
        found = features.prompts.get(reference["name"])
    else:
        found = features.resources.get(reference["uri"])
    if found is None:
        raise ProtocolError(mcp_types.INVALID_PARAMS, "params.ref names nothing that is here.")
    return found
