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

_OUTCOMES: Final = (
    (InputRequiredError, "asked"),
    ((ProtocolError, MissingCapabilityError), "refused"),
    (asyncio.CancelledError, "cancelled"),
)


async def run_tool(tool: Tool, call: Call, arguments: Mapping[str, object], revision: Revision) -> BaseModel:
    """Return what a tool gives; raises what it raises."""
    started = time.perf_counter()
    outcome = "ok"
    try:
        with tracing.tool_span(tool.name, revision.name, call.meta) as span:
            result = await tool.run(call, arguments)
            if isinstance(result, mcp_types.CallToolResult) and result.is_error:
                outcome = "error"
                if span is not None:
                    tracing.failed(span, "tool_error")
        return result
    except BaseException as error:
        outcome = next((name for kind, name in _OUTCOMES if isinstance(error, kind)), "failed")
        raise
    finally:
        TOOL_CALLS.inc(tool.name, outcome)
        TOOL_SECONDS.of(tool.name).observe(time.perf_counter() - started)
