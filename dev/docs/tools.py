"""docs/tools.md: every tool by its set, from the registry."""

from dev.docs.table import NOTICE, table
from mcp_server.tools import meta, official
from mcp_server.tools.catalog import TOOLSETS
from mcp_server.tools.originals import ORIGINALS
from mcp_server.tools.registry import Tool

_INTRODUCTION = """\
# Tools

Each tool needs one scope ([what they mean](scopes.md)); `tools/list` shows those that were granted, with JSON
Schemas of arguments and results. What changes something is marked: *adds*, *sets* (a second call changes
nothing more) or *edits*; sets and edits replace or remove what is there.

`VAL_TOWN_TOOLSETS` limits the list to chosen sets.
"""

_ORIGINALS = """\
## Old names

The names of the first Val Town MCP server can still be called, with their own arguments; no list shows them.
"""

_FORWARDED = """\
## forwarded

Only where `VAL_TOWN_UPSTREAM_MCP_URL` names Val Town's own MCP server, which answers these with the grant's
credential: its REST API cannot do them.
"""


def document() -> str:
    """Return the page."""
    sets = {"always": (meta,), **TOOLSETS}
    sections = [
        f"## {name}\n\n{_tools([tool for family in families for tool in family.TOOLS])}\n"
        for name, families in sets.items()
    ]
    sections.append(f"{_FORWARDED}\n{_tools(list(official.TOOLS))}\n")
    old = table(("old name", "stands for"), [(f"`{one.name}`", f"`{one.tool}`") for one in ORIGINALS])
    notice = NOTICE.format(source="mcp_server/tools")
    return "\n".join([notice, "", _INTRODUCTION, *sections, _ORIGINALS, old, ""])


def _tools(tools: list[Tool]) -> str:
    return table(("tool", "what it does", "scope", "changes"), [_row(tool) for tool in tools])


def _row(tool: Tool) -> tuple[str, ...]:
    summary = (tool.definition.description or "").split("\n\n")[0]
    arguments = ", ".join(tool.definition.input_schema["properties"])
    return f"`{tool.name}`({arguments})", summary, f"`{tool.scope}`" if tool.scope else "", _effect(tool)


def _effect(tool: Tool) -> str:
    says = tool.definition.annotations
    if says is None or says.read_only_hint:
        return ""
    if not says.destructive_hint:
        return "adds"
    return "sets" if says.idempotent_hint else "edits"
