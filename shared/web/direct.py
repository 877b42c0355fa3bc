"""FastAPI, and beside it endpoints that are called often and answer everything themselves.

For those, routing, dependencies and FastAPI's own middleware would cost more than most of what they do.
"""

from typing import Any, NamedTuple

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import tracing
from shared.web.request_id import ROUTE
from shared.web.spans import ServerSpanMiddleware


class _Direct(NamedTuple):
    """An endpoint behind the middleware; `method` None: it answers all of them."""

    method: str | None
    route: str
    endpoint: ASGIApp


class DirectApplication(FastAPI):
    """FastAPI for everything but what was added with `add_direct`."""

    def __init__(self, **arguments: Any) -> None:
        """Take what FastAPI takes."""
        super().__init__(**arguments)
        self._direct: dict[str, _Direct] = {}
        self._direct_below: list[tuple[str, _Direct]] = []

    def add_direct(
        self, path: str, endpoint: ASGIApp, *, route: str, method: str | None = None, below: bool = False
    ) -> None:
        """Let an endpoint have all requests for a path, behind the middleware added so far.

        Args:
            path: the whole of it.
            endpoint: raises only what nobody foresaw.
            route: what it is called in metrics and traces.
            method: as HTTP spells it; every other one goes to FastAPI. None: all are the endpoint's.
            below: it has the paths below, too.
        """
        for middleware in reversed(self.user_middleware):
            endpoint = middleware.cls(endpoint, *middleware.args, **middleware.kwargs)
        if tracing.provider() is not None:
            endpoint = ServerSpanMiddleware(endpoint, route=route)
        direct = self._direct[path] = _Direct(method, route, endpoint)
        if below:
            self._direct_below.append((f"{path}/", direct))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Handle one ASGI connection; what is returned is to be awaited."""
        direct = self._find(scope["path"]) if scope["type"] == "http" else None
        if direct is None or direct.method not in (None, scope["method"]):
            return super().__call__(scope, receive, send)
        scope["app"] = self
        scope[ROUTE] = direct.route
        return direct.endpoint(scope, receive, send)

    def _find(self, path: str) -> _Direct | None:
        found = self._direct.get(path)
        if found is None and self._direct_below:
            found = next((direct for prefix, direct in self._direct_below if path.startswith(prefix)), None)
        return found
