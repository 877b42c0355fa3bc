"""A prompt is a plain async function with a decorator that names its scope; its parameters are its arguments.

Source of the wire shapes: MCP 2026-07-28 and 2025-11-25, server/prompts. Arguments are text, as MCP has them.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import get_type_hints

from mcp_types import GetPromptResult, PromptArgument, PromptMessage, TextContent
from mcp_types import Prompt as PromptDefinition
from pydantic.fields import FieldInfo

from mcp_server.resources.registry import Complete
from mcp_server.tools import icons
from mcp_server.tools.arguments import Arguments
from mcp_server.tools.context import ToolContext

PromptFunction = Callable[..., Awaitable[str | Sequence[PromptMessage]]]


class Prompt:
    """A prompt: its definition for clients, the scope it needs, and the messages it gives."""

    def __init__(
        self,
        function: PromptFunction,
        *,
        scope: str | None,
        title: str,
        completions: Mapping[str, Complete],
    ) -> None:
        """Take the function; its name, docstring and parameters make the definition."""
        self.name = function.__name__
        self.scope = scope
        self.completions = completions
        self._function = function
        self._arguments = Arguments(self.name, function)
        self.description = " ".join((inspect.getdoc(function) or "").split())
        self.definition = PromptDefinition(
            name=self.name,
            title=title,
            description=self.description,
            arguments=_arguments_of(function),
            icons=icons.TALK,
        )
        if unknown := set(completions) - {argument.name for argument in self.definition.arguments or ()}:
            raise TypeError(f"{self.name} has no argument {', '.join(sorted(unknown))}")

    async def get(self, context: ToolContext, arguments: Mapping[str, object]) -> GetPromptResult:
        """Return the messages; a text is one message of the user.

        Raises:
            ToolError: arguments are missing, unknown or wrong.
        """
        given = await self._function(context, **self._arguments.parse(arguments))
        if isinstance(given, str):
            given = [PromptMessage(role="user", content=TextContent(type="text", text=given))]
        return GetPromptResult(description=self.description, messages=list(given))


def prompt(
    *, scope: str | None, title: str, completions: Mapping[str, Complete] | None = None
) -> Callable[[PromptFunction], Prompt]:
    """Make a prompt of `async def name(context: ToolContext, argument: str = default) -> str`.

    Args:
        scope: the one scope a caller needs; None: any valid token.
        title: its name for people.
        completions: for arguments, what suggests values.
    """

    def decorate(function: PromptFunction) -> Prompt:
        return Prompt(function, scope=scope, title=title, completions=completions or {})

    return decorate


class PromptRegistry:
    """The prompts there are, in the order they were added."""

    def __init__(self) -> None:
        """Start empty."""
        self._prompts: dict[str, Prompt] = {}

    def add(self, *prompts: Prompt) -> None:
        """Add prompts.

        Raises:
            ValueError: a name is taken.
        """
        for new in prompts:
            if new.name in self._prompts:
                raise ValueError(f"The prompt {new.name} is there already.")
            self._prompts[new.name] = new

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._prompts)

    def get(self, name: str) -> Prompt | None:
        """Return a prompt by name."""
        return self._prompts.get(name)

    def visible(self, scopes: frozenset[str]) -> tuple[Prompt, ...]:
        """Return the prompts that these fine scopes open, in the order they were added."""
        return tuple(
            known for known in self._prompts.values() if known.scope is None or known.scope in scopes
        )


def _arguments_of(function: PromptFunction) -> list[PromptArgument]:
    hints = get_type_hints(function, include_extras=True)
    return [
        PromptArgument(
            name=parameter.name,
            description=_described(hints[parameter.name]),
            required=parameter.default is parameter.empty,
        )
        for parameter in list(inspect.signature(function).parameters.values())[1:]
    ]


def _described(hint: object) -> str | None:
    notes: Sequence[object] = getattr(hint, "__metadata__", ())
    return next((note.description for note in notes if isinstance(note, FieldInfo)), None)
