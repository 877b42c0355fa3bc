"""CORS as browser-based MCP clients need it: any origin, never with cookies, only where listed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from shared.web.security_headers import RawHeaders

_MAX_AGE = "86400"


@dataclass(frozen=True)
class CorsRule:
    """What one path allows other origins to do."""

    methods: tuple[str, ...]
    request_headers: tuple[str, ...] = ("Authorization", "Content-Type", "MCP-Protocol-Version")
    exposed_headers: tuple[str, ...] = ("WWW-Authenticate", "Retry-After", "X-Request-Id")

    @cached_property
    def headers(self) -> RawHeaders:
        """Of every answer to another origin."""
        return (
            (b"access-control-allow-origin", b"*"),
            (b"access-control-expose-headers", ", ".join(self.exposed_headers).encode()),
        )

    def is_preflight(self, scope: Scope) -> bool:
        """Return whether a request only asks what it may ask."""
        return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)

    def preflight(self) -> Response:
        """Return the answer to a preflight, without what every answer has."""
        headers = {
            "Access-Control-Allow-Methods": ", ".join(self.methods),
            "Access-Control-Allow-Headers": ", ".join(self.request_headers),
            "Access-Control-Max-Age": _MAX_AGE,
        }
        return Response(status_code=204, headers=headers)


class CorsRules:
    """The rules of the listed paths; every other path has no CORS at all.

    The authorization endpoint must not be listed (OAuth 2.1 section 3.1).
    """

    def __init__(self, rules: Mapping[str, CorsRule]) -> None:
        """Take each path's rule; a path ending in `*` covers all that start so."""
        self._exact = {path: rule for path, rule in rules.items() if not path.endswith("*")}
        self._prefixes = [(path[:-1], rule) for path, rule in rules.items() if path.endswith("*")]

    def of(self, path: str) -> CorsRule | None:
        """Return the rule of a path."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        return next((rule for prefix, rule in self._prefixes if path.startswith(prefix)), None)
