"""An answer that is there in one piece, and of which every header line is known."""

from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from shared.web.answering import send_whole
from shared.web.security_headers import RawHeaders


class WholeResponse(Response):
    """Takes lines as they are; starlette's own makes them from a dictionary of text each time."""

    def __init__(self, status: int, body: bytes, headers: RawHeaders) -> None:
        """Take the HTTP status, the body, and lines with lower-case names but for Content-Length."""
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Send it; what is returned is to be awaited."""
        return send_whole(scope, send, self.status_code, self.raw_headers, bytes(self.body))
