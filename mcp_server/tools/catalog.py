"""The list of tool families: what `tools/list` can show at most."""

from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Final

from mcp_server.tools import (
    blobs,
    branches,
    edits,
    email,
    endpoints,
    environment,
    files,
    finding,
    history,
    merging,
    meta,
    official,
    orgs,
    remix,
    sqlite,
    telemetry,
    user,
    vals,
)
from mcp_server.tools.originals import ORIGINALS, Original
from mcp_server.tools.registry import Alias, Tool, ToolRegistry

TOOLSETS: Final[Mapping[str, tuple[ModuleType, ...]]] = {
    "user": (user, orgs),
    "vals": (vals, finding, remix),
    "branches": (branches, merging),
    "files": (files, edits, history),
    "endpoints": (endpoints,),
    "env": (environment,),
    "blobs": (blobs,),
    "sqlite": (sqlite,),
    "telemetry": (telemetry,),
    "email": (email,),
}
"""Names for VAL_TOWN_TOOLSETS → families. What tells of the connection itself is always there."""


def build_registry(toolsets: Collection[str] = (), *, forwarding: bool = False) -> ToolRegistry:
    """Return a registry with the tools of these sets (none named: all), and the old names for them.

    `forwarding` adds those that Val Town's own MCP server answers.
    """
    registry = ToolRegistry()
    registry.add(*meta.TOOLS)
    for name, families in TOOLSETS.items():
        if not toolsets or name in toolsets:
            for family in families:
                registry.add(*family.TOOLS)
    if forwarding:
        registry.add(*official.TOOLS)
    for original in ORIGINALS:
        target = registry.get(original.tool)
        if target is not None:
            registry.add_alias(_alias(registry, original, target))
    return registry


def _alias(registry: ToolRegistry, original: Original, target: Tool) -> Alias:
    def translate(arguments: Mapping[str, object]) -> tuple[Tool, Mapping[str, object]]:
        meant = registry.get(original.tool_for(arguments)) or target
        return meant, original.translate(arguments)

    return Alias(original.name, target, translate)
