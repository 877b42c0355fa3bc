"""The outermost net: a bug becomes 500 with every header that other answers have, and one log line."""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.logs import get_logger


class FaultMiddleware:
    """Answers what no handler foresaw. FastAPI's own handler sits outside all middleware and its headers."""

    def __init__(self, app: ASGIApp, *, answer: Callable[[Scope], Response], namespace: str) -> None:
        """Take the wrapped app, what makes the answer, and the namespace of the log line."""
        self._app = app
        self._answer = answer
        self._log = get_logger(namespace)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except Exception:
            self._log.exception("unexpected error")
            if begun:
                # Half an answer is out; only closing the connection tells the client so.
                raise
            await self._answer(scope)(scope, receive, send)
