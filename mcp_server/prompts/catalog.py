"""The list of prompt families: what `prompts/list` can show at most."""

from mcp_server.prompts import vals
from mcp_server.prompts.registry import PromptRegistry


def build_prompts() -> PromptRegistry:
    """Return a registry with every prompt of this server."""
    registry = PromptRegistry()
    registry.add(*vals.PROMPTS)
    return registry
