"""A resource is a plain async function with a decorator that names its URI, or URI template, and its scope.

Source of the wire shapes: MCP 2026-07-28 and 2025-11-25, server/resources. Like that of tools this registry
knows nothing of HTTP, and the layer above checks scopes before anything runs.
"""

import base64
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mcp_types import BlobResourceContents, TextResourceContents
from mcp_types import Resource as ResourceDefinition
from mcp_types import ResourceTemplate as TemplateDefinition
from pydantic import BaseModel

from mcp_server.resources.templates import UriTemplate
from mcp_server.tools import icons
from mcp_server.tools.context import ToolContext
from mcp_server.tools.failures import Circumstances

Content = str | bytes | BaseModel
ResourceFunction = Callable[..., Awaitable[Content]]
Complete = Callable[[ToolContext, str, Mapping[str, str]], Awaitable[list[str]]]
"""`(context, what was typed so far, the variables known already)` → suggestions, best first."""

_JSON: Final = "application/json"


class Resource:
    """A resource or a template of them: its definition for clients, the scope it needs, and the reading."""

    def __init__(
        self,
        function: ResourceFunction,
        *,
        uri: str,
        scope: str | None,
        title: str,
        mime_type: str,
        completions: Mapping[str, Complete],
    ) -> None:
        """Take the function; name and docstring make the definition, arguments are the variables."""
        self.template = UriTemplate(uri)
        self.name = function.__name__
        self.scope = scope
        self.completions = completions
        self._function = function
        self._mime_type = mime_type
        self._title = title
        expected = tuple(inspect.signature(function).parameters)[1:]
        if set(expected) != set(self.template.names) or not set(completions) <= set(expected):
            raise TypeError(f"{self.name} does not take the variables of {uri}")

    @property
    def uri(self) -> str:
        """The URI, or the template's text."""
        return self.template.text

    @property
    def is_template(self) -> bool:
        """Whether it stands for many URIs."""
        return bool(self.template.names)

    @property
    def definition(self) -> ResourceDefinition | TemplateDefinition:
        """What lists show."""
        description = " ".join((inspect.getdoc(self._function) or "").split())
        if self.is_template:
            return TemplateDefinition(
                uri_template=self.uri,
                name=self.name,
                title=self._title,
                description=description,
                mime_type=self._mime_type or None,
                icons=icons.READ,
            )
        return ResourceDefinition(
            uri=self.uri,
            name=self.name,
            title=self._title,
            description=description,
            mime_type=self._mime_type or None,
            icons=icons.READ,
        )

    @property
    def circumstances(self) -> Circumstances:
        """What advice on a failed reading depends on, without the caller's part."""
        return Circumstances(self.scope, read_only=True, legacy=False)

    async def read(
        self, context: ToolContext, uri: str, values: Mapping[str, str]
    ) -> TextResourceContents | BlobResourceContents:
        """Return the content at a URI of this resource: text, bytes as base64, or a model as JSON.

        Raises:
            ToolError, ValTownError: it cannot be read, and why.
        """
        content = await self._function(context, **values)
        if isinstance(content, BaseModel):
            text = content.model_dump_json(by_alias=True, exclude_none=True)
            return TextResourceContents(uri=uri, mime_type=self._mime_type or _JSON, text=text)
        mime_type = self._mime_type or None
        if isinstance(content, bytes):
            blob = base64.b64encode(content).decode("ascii")
            return BlobResourceContents(uri=uri, mime_type=mime_type, blob=blob)
        return TextResourceContents(uri=uri, mime_type=mime_type, text=content)


def resource(
    uri: str,
    *,
    scope: str | None,
    title: str,
    mime_type: str = "",
    completions: Mapping[str, Complete] | None = None,
) -> Callable[[ResourceFunction], Resource]:
    """Make a resource of `async def name(context: ToolContext, variable: str) -> str | bytes | Model`.

    Args:
        uri: the URI, or a template whose variables are the function's further parameters.
        scope: the one scope a reader needs; None: any valid token.
        title: its name for people.
        mime_type: of its content, where all of it has one; JSON for a model when empty.
        completions: for variables of a template, what suggests values.
    """

    def decorate(function: ResourceFunction) -> Resource:
        return Resource(
            function,
            uri=uri,
            scope=scope,
            title=title,
            mime_type=mime_type,
            completions=completions or {},
        )

    return decorate


@dataclass(frozen=True, slots=True)
class Found:
    """A resource, and what its variables are in the URI that was looked up."""

    resource: Resource
    values: Mapping[str, str]


class ResourceRegistry:
    """The resources there are, in the order they were added."""

    def __init__(self) -> None:
        """Start empty."""
        self._resources: dict[str, Resource] = {}

    def add(self, *resources: Resource) -> None:
        """Add resources.

        Raises:
            ValueError: a URI or template is taken.
        """
        for new in resources:
            if new.uri in self._resources:
                raise ValueError(f"The resource {new.uri} is there already.")
            self._resources[new.uri] = new

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._resources)

    def get(self, uri: str) -> Resource | None:
        """Return a resource by its URI, or a template by its text, as completion names it."""
        return self._resources.get(uri)

    def find(self, uri: str) -> Found | None:
        """Return the resource that a URI belongs to: itself, else the first template that gives it."""
        exact = self._resources.get(uri)
        if exact is not None and not exact.is_template:
            return Found(exact, {})
        for known in self._resources.values():
            values = known.template.match(uri) if known.is_template else None
            if values is not None:
                return Found(known, values)
        return None

    def visible(self, scopes: frozenset[str], *, templates: bool = False) -> tuple[Resource, ...]:
        """Return the resources, or the templates, that these fine scopes open, in their order."""
        return tuple(
            known
            for known in self._resources.values()
            if known.is_template is templates and (known.scope is None or known.scope in scopes)
        )
