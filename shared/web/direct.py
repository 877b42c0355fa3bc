"""FastAPI, and beside it endpoints that are called often and answer everything themselves.

For those, routing, dependencies and FastAPI's own middleware would cost more than most of what they do.
"""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from shared import tracing
from shared.web.request_id import ROUTE
from shared.web.spans import ServerSpanMiddleware


class DirectApplication(FastAPI):
    """FastAPI for everything but what was added with `add_direct`."""

    def __init__(self, **arguments: Any) -> None:
        """Take what FastAPI takes."""
        super().__init__(**arguments)
        self._direct: dict[tuple[str, str], tuple[str, ASGIApp]] = {}

    def add_direct(self, method: str, path: str, endpoint: ASGIApp, *, route: str) -> None:
        """Let an endpoint have all requests with a method and a path, behind the middleware added so far.

        Args:
            method: as HTTP spells it; every other method goes to FastAPI.
            path: the whole of it.
            endpoint: raises only what nobody foresaw.
            route: what it is called in metrics and traces.
        """
        for middleware in reversed(self.user_middleware):
            endpoint = middleware.cls(endpoint, *middleware.args, **middleware.kwargs)
        if tracing.provider() is not None:
            endpoint = ServerSpanMiddleware(endpoint, route=route)
        self._direct[method, path] = (route, endpoint)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        direct = self._direct.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if direct is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        scope[ROUTE], endpoint = direct
        await endpoint(scope, receive, send)
