"""One run of a tool, measured."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import mcp_types
from pydantic import BaseModel

from mcp_server.metrics import TOOL_CALLS, TOOL_SECONDS
from mcp_server.protocol.calls import Call
from mcp_server.protocol.jsonrpc import ProtocolError
from mcp_server.protocol.versions import Revision
from mcp_server.tools.context import InputRequiredError, MissingCapabilityError
from mcp_server.tools.registry import Tool
from shared import tracing
from shared.series import Count, Timing

_OUTCOMES: Final = (
    (InputRequiredError, "asked"),
    ((ProtocolError, MissingCapabilityError), "refused"),
    (asyncio.CancelledError, "cancelled"),
)
_found: Final[dict[tuple[str, str], tuple[Count, Timing]]] = {}


async def run_tool(tool: Tool, call: Call, arguments: Mapping[str, object], revision: Revision) -> BaseModel:
    """Return what a tool gives; raises what it raises."""
    outcome = "ok"
    started = time.perf_counter()
    try:
        if tracing.provider() is None:
            result = await tool.run(call, arguments)
        else:
            result = await _run_traced(tool, call, arguments, revision)
        if _is_failure(result):
            outcome = "error"
            call.has_failed = True
        return result
    except BaseException as error:
        outcome = next((name for kind, name in _OUTCOMES if isinstance(error, kind)), "failed")
        raise
    finally:
        count, timing = _found.get((tool.name, outcome)) or _find(tool.name, outcome)
        count.value += 1
        timing.observe(time.perf_counter() - started)


async def _run_traced(
    tool: Tool, call: Call, arguments: Mapping[str, object], revision: Revision
) -> BaseModel:
    with tracing.tool_span(tool.name, revision.name, call.meta) as span:
        result = await tool.run(call, arguments)
        if span is not None and _is_failure(result):
            tracing.failed(span, "tool_error")
        return result


def _is_failure(result: BaseModel) -> bool:
    return isinstance(result, mcp_types.CallToolResult) and bool(result.is_error)


def _find(tool: str, outcome: str) -> tuple[Count, Timing]:
    series = TOOL_CALLS.of(tool, outcome), TOOL_SECONDS.of(tool)
    _found[tool, outcome] = series
    return series
