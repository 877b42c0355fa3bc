"""Resources that say how things are done here; nothing is asked of Val Town."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from mcp_server.resources.registry import resource
from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import ToolError

_FOLDER: Final = files("mcp_server.resources.guides")
TOPICS: Final = tuple(
    sorted(file.name.removesuffix(".md") for file in _FOLDER.iterdir() if file.name.endswith(".md"))
)


async def suggest_topic(_context: ToolContext, typed: str, _known: Mapping[str, str]) -> list[str]:
    """Return the guides there are."""
    return [topic for topic in TOPICS if topic.startswith(typed.casefold())]


@resource(
    "valtown://guides/{topic}",
    scope="vals:read",
    title="A guide",
    mime_type="text/markdown",
    completions={"topic": suggest_topic},
)
async def guide(_context: ToolContext, topic: str) -> str:
    """How to do things on Val Town with these tools: editing, http or storage."""
    if topic not in TOPICS:
        raise ToolError(f"There is no guide {topic[:64]}.", hint=f"There are: {', '.join(TOPICS)}.")
    return _FOLDER.joinpath(f"{topic}.md").read_text(encoding="utf-8")


RESOURCES: Final = (guide,)
