"""Which scope a request needs: judged before anything runs, so that the refusal is an HTTP 403."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from mcp_server.protocol.features import Features
from mcp_server.protocol.jsonrpc import Request


class ScopeRequiredError(Exception):
    """The caller's grant does not reach to what it asks for; raised before anything runs."""

    def __init__(self, name: str, scope: str) -> None:
        """Take the name of the tool, resource or prompt, and the scope that opens it."""
        super().__init__(f"{name} needs {scope}")
        self.name = name
        self.scope = scope


class Offered(Protocol):
    """A tool, resource or prompt."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def scope(self) -> str | None:
        """The one scope it needs; None: any valid token."""


class Use(NamedTuple):
    """What one request is about, and its method."""

    method: str
    offered: Offered


class Reach:
    """Finds what a request is about and holds its scope against the caller's."""

    def __init__(self, features: Features) -> None:
        """Take everything that is offered."""
        self._features = features
        self._finders: Final[Mapping[str, Callable[[Mapping[str, object]], Offered | None]]] = {
            "tools/call": lambda params: self._tool(params.get("name")),
            "prompts/get": lambda params: self._prompt(params.get("name")),
            "resources/read": lambda params: self._resource(params.get("uri")),
            "resources/subscribe": lambda params: self._resource(params.get("uri")),
            "resources/unsubscribe": lambda params: self._resource(params.get("uri")),
            "completion/complete": lambda params: self.completed(params.get("ref")),
        }

    def check(self, request: Request, scopes: frozenset[str]) -> Use | None:
        """Refuse a request for something beyond these scopes; return what any other is about.

        None: about nothing that has a scope, or that exists.

        Raises:
            ScopeRequiredError: it exists and needs a scope that is not among them.
        """
        offered = self.about(request)
        if offered is not None and offered.scope is not None and offered.scope not in scopes:
            raise ScopeRequiredError(offered.name, offered.scope)
        return None if offered is None else Use(request.method, offered)

    def about(self, request: Request) -> Offered | None:
        """Return what a request is about; None: nothing that exists."""
        find = self._finders.get(request.method)
        return find(request.params) if find is not None else None

    def completed(self, reference: object) -> Offered | None:
        """Return what a `ref` of `completion/complete` names."""
        if not isinstance(reference, dict):
            return None
        if reference.get("type") == "ref/prompt":
            return self._prompt(reference.get("name"))
        uri = reference.get("uri")
        return self._features.resources.get(uri) if isinstance(uri, str) else None

    def _tool(self, name: object) -> Offered | None:
        return self._features.tools.get(name) if isinstance(name, str) else None

    def _prompt(self, name: object) -> Offered | None:
        return self._features.prompts.get(name) if isinstance(name, str) else None

    def _resource(self, uri: object) -> Offered | None:
        found = self._features.resources.find(uri) if isinstance(uri, str) else None
        return found.resource if found is not None else None
