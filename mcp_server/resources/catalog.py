"""The list of resource families: what `resources/list` and `resources/templates/list` can show at most."""

from mcp_server.resources import account, files, guidance, vals
from mcp_server.resources.registry import ResourceRegistry


def build_resources() -> ResourceRegistry:
    """Return a registry with every resource of this server."""
    registry = ResourceRegistry()
    for family in (account, vals, files, guidance):
        registry.add(*family.RESOURCES)
    return registry
