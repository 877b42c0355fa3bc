"""A small reverse proxy: one origin for both services, as the Caddyfile has it; it may damage answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

Headers = list[tuple[str, str]]
Fault = Callable[[Headers, bytes], tuple[Headers, bytes]]
"""Takes the headers and body of an answer, returns what goes out instead."""

_AUTH_PATHS = (
    "/oauth/",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
)
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"}


def no_fault(headers: Headers, body: bytes) -> tuple[Headers, bytes]:
    """Damage nothing."""
    return headers, body


@dataclass
class Edge:
    """The proxy: its URL, where it sends what, and what it does to answers."""

    url: str
    auth: str = ""
    mcp: str = ""
    fault: Fault = no_fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    edge: Edge
    transport: httpx.HTTPTransport


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _pass_on(self) -> None:
        edge = self.server.edge
        upstream = edge.auth if self.path.startswith(_AUTH_PATHS) else edge.mcp
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = httpx.Request(
            self.command, upstream + self.path, headers=self.headers.items(), content=body
        )
        answer = self.server.transport.handle_request(request)
        answer.read()
        headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _HOP_BY_HOP]
        headers, content = edge.fault(headers, answer.content)
        self.send_response_only(answer.status_code)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _pass_on  # noqa: N815 - the base class's names

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@contextmanager
def open_edge() -> Iterator[Edge]:
    """Serve on a free port of this computer."""
    with _Server(("127.0.0.1", 0), _Handler) as server, httpx.HTTPTransport() as transport:
        server.edge = Edge(f"http://localhost:{server.server_port}")
        # No client: that would keep one browser's cookies and send them with the next one's requests.
        server.transport = transport
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.edge
        finally:
            server.shutdown()
            thread.join()
