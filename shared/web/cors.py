"""CORS as browser-based MCP clients need it: any origin, never with cookies, only where listed."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MAX_AGE = "86400"


@dataclass(frozen=True, slots=True)
class CorsRule:
    """What one path allows other origins to do."""

    methods: tuple[str, ...]
    request_headers: tuple[str, ...] = ("Authorization", "Content-Type", "MCP-Protocol-Version")
    exposed_headers: tuple[str, ...] = ("WWW-Authenticate", "Retry-After", "X-Request-Id")


class CorsMiddleware:
    """Answers preflights and adds the headers on listed paths; every other path has no CORS at all.

    The authorization endpoint must not be listed (OAuth 2.1 section 3.1).
    """

    def __init__(self, app: ASGIApp, *, rules: Mapping[str, CorsRule]) -> None:
        """Take the wrapped app and each path's rule; a path ending in `*` covers all that start so."""
        self._app = app
        self._exact = {path: rule for path, rule in rules.items() if not path.endswith("*")}
        self._prefixes = [(path[:-1], rule) for path, rule in rules.items() if path.endswith("*")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        rule = self._rule(scope["path"]) if scope["type"] == "http" else None
        if rule is None or not any(name == b"origin" for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope):
            await _answer_preflight(rule, send)
            return
        exposed = ", ".join(rule.exposed_headers)

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = "*"
                headers["Access-Control-Expose-Headers"] = exposed
            await send(message)

        await self._app(scope, receive, send_with_cors)

    def _rule(self, path: str) -> CorsRule | None:
        exact = self._exact.get(path)
        if exact is not None:
            return exact
        return next((rule for prefix, rule in self._prefixes if path.startswith(prefix)), None)


async def _answer_preflight(rule: CorsRule, send: Send) -> None:
    headers = MutableHeaders(
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": ", ".join(rule.methods),
            "Access-Control-Allow-Headers": ", ".join(rule.request_headers),
            "Access-Control-Max-Age": _MAX_AGE,
        }
    )
    await send({"type": "http.response.start", "status": 204, "headers": headers.raw})
    await send({"type": "http.response.body", "body": b""})
