"""How a process takes leave: not ready, still serving; then no new requests; then an end to the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.refusals.oauth import UNAVAILABLE
from shared.refusals.transport import NOT_READY
from shared.retry_after import jittered

TASK: Final = "val_town.task"
"""In every request's scope: the task that answers it."""

ENDING: Final = "val_town.ending"
"""In every request's scope: a function that tells whether the process ends this request now."""


class Draining:
    """The outermost layer of a served app."""

    def __init__(self, app: ASGIApp) -> None:
        """Take the wrapped app."""
        self._app = app
        self._begun = False
        self._over = False
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Be not ready, and close each connection after its next answer; everything is still served.

        A proxy that keeps connections must open its next one elsewhere: one that is closed when the process
        ends could be closed under a request.
        """
        self._begun = True

    def cut_off(self) -> None:
        """End the requests that are still under way, with an answer."""
        self._over = True
        for task in self._tasks:
            task.cancel()

    def is_over(self) -> bool:
        """Return whether what is under way is being ended."""
        return self._over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        # Asking which task runs is a system call each time; the protocol made it, and knows.
        task = scope.get(TASK) or asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self._app(scope, receive, send)
            return
        scope[ENDING] = self.is_over
        scope[TASK] = task
        answer = _Answer(send, self._is_begun)
        self._tasks.add(task)
        try:
            if self._begun and scope["path"] == "/readyz":
                await _not_ready()(scope, receive, answer.send)
            else:
                await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            if not self._over or answer.begun:
                raise
            task.uncancel()
            with suppress(OSError):
                await _unavailable()(scope, receive, answer.send)
        finally:
            self._tasks.discard(task)

    def _is_begun(self) -> bool:
        return self._begun


class _Answer:
    """Passes an answer on and notes that it began."""

    __slots__ = ("_closing", "_send", "begun")

    def __init__(self, send: Send, closing: Callable[[], bool]) -> None:
        self._send = send
        self._closing = closing
        self.begun = False

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.begun = True
            if self._closing():
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        return self._send(message)


def is_ending(scope: Scope) -> bool:
    """Return whether the process ends this request now: it was cancelled for that."""
    ending: Callable[[], bool] | None = scope.get(ENDING)
    return ending is not None and ending()


def _not_ready() -> JSONResponse:
    headers = {"Cache-Control": "no-store", "Retry-After": str(jittered())}
    return JSONResponse({"status": "draining"}, NOT_READY.status, headers)


def _unavailable() -> JSONResponse:
    error = UNAVAILABLE.raised("This replica ends now. The same request works at another one.")
    headers = {"Cache-Control": "no-store", "Retry-After": str(jittered())}
    return JSONResponse(error.members(), error.status, headers)
