"""A tool is a plain async function with a decorator that names its scope and annotations.

Source of the wire shapes: MCP 2026-07-28 and 2025-11-25, server/tools. The registry knows nothing of HTTP and
does not check scopes: the layer above does, before any byte of an answer is sent.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from mcp_types import CallToolResult, Icon, TextContent, ToolAnnotations
from mcp_types import Tool as ToolDefinition
from pydantic import BaseModel

from mcp_server.tools import icons
from mcp_server.tools.arguments import Arguments
from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import Circumstances, ToolError, describe
from mcp_server.tools.schema import schema_of
from shared.valtown.errors import ValTownError

ToolFunction = Callable[..., Awaitable[BaseModel]]

_LONGEST_NAME: Final = 64
_HEADER_KEY: Final = "x-mcp-header"


@dataclass(frozen=True, slots=True)
class Annotations:
    """What a client may assume before it asks a person; all four are always sent."""

    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool = True


class Tool:
    """A tool: its definition for clients, the scope it needs, and the call itself."""

    def __init__(
        self, function: ToolFunction, *, scope: str | None, title: str, annotations: Annotations
    ) -> None:
        """Take the function; its name, docstring, parameters and return type make the definition."""
        self.name = function.__name__
        self.scope = scope
        self._function = function
        self._annotations = annotations
        self._arguments = Arguments(self.name, function)
        self.parameter_headers = dict(_headers_in(self._arguments.schema))
        """Path in the arguments → name of the header Mcp-Param-* that clients repeat the value in."""
        returned = get_type_hints(function)["return"]
        self.definition = ToolDefinition(
            name=self.name,
            title=title,
            description=_description(function),
            input_schema=self._arguments.schema,
            # A function that returns the wire's own result has nothing more exact to promise.
            output_schema=None if returned is CallToolResult else schema_of(returned, "serialization"),
            icons=_icon_for(annotations),
            annotations=ToolAnnotations(
                # Clients of 2025-03-26 know a title only here.
                title=title,
                read_only_hint=annotations.read_only,
                destructive_hint=annotations.destructive,
                idempotent_hint=annotations.idempotent,
                open_world_hint=annotations.open_world,
            ),
        )

    async def run(self, context: ToolContext, arguments: Mapping[str, object]) -> BaseModel:
        """Return what the function gave, or a CallToolResult with `is_error` and advice.

        Invalid arguments and every refusal of Val Town are such results. What else goes wrong (a fault of
        ours or of the store) is raised as it is.
        """
        try:
            return await self._function(context, **self._arguments.parse(arguments))
        except (ToolError, ValTownError) as failure:
            legacy = context.principal.legacy
            circumstances = Circumstances(self.scope, self._annotations.read_only, legacy)
            return _result(describe(failure, circumstances), is_error=True)

    async def call(self, context: ToolContext, arguments: Mapping[str, object]) -> CallToolResult:
        """Return the result as clients get it: structured content, and the same JSON as text.

        A function that returns a CallToolResult has said it all: it passes unchanged. Raises as `run`.
        """
        result = await self.run(context, arguments)
        if isinstance(result, CallToolResult):
            return result
        structured = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return _result(result.model_dump_json(by_alias=True, exclude_none=True), structured=structured)


def tool(*, scope: str | None, title: str, annotations: Annotations) -> Callable[[ToolFunction], Tool]:
    """Make a tool of `async def name(context: ToolContext, argument: type = default) -> Model`.

    Args:
        scope: the one scope a caller needs; None: any valid token.
        title: its name for people.
        annotations: what clients may assume of it.
    """

    def decorate(function: ToolFunction) -> Tool:
        return Tool(function, scope=scope, title=title, annotations=annotations)

    return decorate


class Alias(Tool):
    """Another name for tools that need the same scope: callable, and in no list."""

    def __init__(
        self,
        name: str,
        target: Tool,
        translate: Callable[[Mapping[str, object]], tuple[Tool, Mapping[str, object]]],
    ) -> None:
        """Take the name, a tool it stands for, and what makes a call of one of them from a call of it."""
        self.name = name
        self.scope = target.scope
        self.definition = target.definition.model_copy(update={"name": name})
        self.parameter_headers = {}
        self._translate = translate

    async def run(self, context: ToolContext, arguments: Mapping[str, object]) -> BaseModel:
        """Return what the tool gives that is meant."""
        tool, translated = self._translate(arguments)
        return await tool.run(context, translated)


class ToolRegistry:
    """The tools there are, in the order they were added; aliases are found by name alone."""

    def __init__(self) -> None:
        """Start empty."""
        self._tools: dict[str, Tool] = {}
        self._aliases: dict[str, Alias] = {}

    def add(self, *tools: Tool) -> None:
        """Add tools.

        Raises:
            ValueError: a name is taken or too long for clients.
        """
        for new in tools:
            if new.name in self._tools or len(new.name) > _LONGEST_NAME:
                raise ValueError(f"The tool name {new.name} is taken or longer than {_LONGEST_NAME}.")
            self._tools[new.name] = new

    def add_alias(self, alias: Alias) -> None:
        """Add another name for a tool.

        Raises:
            ValueError: the name is taken.
        """
        if self.get(alias.name) is not None:
            raise ValueError(f"The tool name {alias.name} is taken.")
        self._aliases[alias.name] = alias

    def get(self, name: str) -> Tool | None:
        """Return a tool, or an alias, by name."""
        return self._tools.get(name) or self._aliases.get(name)

    def header_names(self) -> tuple[str, ...]:
        """Return the names, behind Mcp-Param-, of all headers that repeat an argument of some tool."""
        names = {name: None for known in self._tools.values() for name in known.parameter_headers.values()}
        return tuple(names)

    def visible(self, scopes: frozenset[str]) -> tuple[Tool, ...]:
        """Return the tools that these fine scopes open, in the order they were added."""
        return tuple(known for known in self._tools.values() if known.scope is None or known.scope in scopes)


def _headers_in(
    schema: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, member in schema.get("properties", {}).items():
        if _HEADER_KEY in member:
            yield (*path, name), member[_HEADER_KEY]
        yield from _headers_in(member, (*path, name))


def _icon_for(annotations: Annotations) -> list[Icon]:
    if annotations.read_only:
        return icons.LOOK
    return icons.REMOVE if annotations.destructive else icons.CHANGE


def _description(function: ToolFunction) -> str:
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _result(text: str, *, structured: Any = None, is_error: bool = False) -> CallToolResult:
    content = TextContent(type="text", text=text)
    return CallToolResult(content=[content], structured_content=structured, is_error=is_error)
