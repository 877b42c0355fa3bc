"""The list of tool families: what `tools/list` can show at most."""

from mcp_server.tools import files, meta, user, vals
from mcp_server.tools.registry import ToolRegistry


def build_registry() -> ToolRegistry:
    """Return a registry with every tool of this server."""
    registry = ToolRegistry()
    for family in (meta, user, vals, files):
        registry.add(*family.TOOLS)
    return registry
