"""A site that answers every request with the same bytes, over TLS or not, from threads of its own.

With asyncio a TLS connection is only closed when the other side has agreed, which a browser does when it
likes: at the end of a test's event loop such connections would be left behind.
"""

import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from typing import cast

_PATIENCE_SECONDS = 10.0
_MOST_BYTES = 65_536


class _Site(socketserver.ThreadingTCPServer):
    def __init__(self, answer: bytes, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        self.answer = answer
        self.context = context
        self.visits: set[socket] = set()

    def end(self) -> None:
        self.shutdown()
        for visit in tuple(self.visits):
            with suppress(OSError):
                # Not TLS's own, which takes away what the thread of the visit reads with.
                socket.shutdown(visit, SHUT_RDWR)
        # It waits for the threads of the visits.
        self.server_close()


class _Visit(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        site = cast(_Site, self.server)
        connection = self.request
        connection.settimeout(_PATIENCE_SECONDS)
        if site.context is not None:
            connection = site.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        site.visits.add(connection)
        # A browser opens connections in advance, and lets go of those that it does not need.
        with connection, suppress(OSError):
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            if connection.recv(_MOST_BYTES):
                connection.sendall(site.answer)


@contextmanager
def tls_site(answer: bytes, context: ssl.SSLContext | None) -> Iterator[int]:
    """Serve until the end of the block, when every connection is closed.

    Args:
        answer: the whole response, whatever is asked.
        context: with the certificate; None: without TLS.

    Yields:
        The port, on 127.0.0.1.
    """
    site = _Site(answer, context)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield int(site.server_address[1])
    finally:
        site.end()
        thread.join()
