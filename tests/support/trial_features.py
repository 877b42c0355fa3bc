"""Tools that do what a test wants, for the server in process."""

from collections.abc import Awaitable, Callable

from mcp_types import CallToolResult, TextContent

from mcp_server.protocol.features import Features
from mcp_server.tools.context import ToolContext
from mcp_server.tools.registry import Annotations, Tool, ToolRegistry, tool

Work = Callable[[ToolContext], Awaitable[None]]


def offering(*works: Work, scope: str | None = None) -> Features:
    """Return features with a tool for each function, named like it; each answers "done" at its end."""
    registry = ToolRegistry()
    for work in works:
        registry.add(_tool_of(work, scope))
    return Features(registry)


def _tool_of(work: Work, scope: str | None) -> Tool:
    async def run(context: ToolContext) -> CallToolResult:
        """Do it."""
        await work(context)
        return CallToolResult(content=[TextContent(type="text", text="done")])

    run.__name__ = work.__name__
    annotations = Annotations(read_only=True, destructive=False, idempotent=True)
    return tool(scope=scope, title=work.__name__, annotations=annotations)(run)
