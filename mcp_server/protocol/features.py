"""What the server offers: the three registries that lists, calls, capabilities and scope checks read."""

from dataclasses import dataclass, field

from mcp_server.prompts.registry import PromptRegistry
from mcp_server.resources.registry import ResourceRegistry
from mcp_server.tools.registry import ToolRegistry


@dataclass(frozen=True, slots=True)
class Features:
    """Tools, resources and prompts; an empty registry's capability is not advertised."""

    tools: ToolRegistry
    resources: ResourceRegistry = field(default_factory=ResourceRegistry)
    prompts: PromptRegistry = field(default_factory=PromptRegistry)
