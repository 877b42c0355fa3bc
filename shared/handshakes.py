"""Makes httpcore close a connection whose TLS handshake is given up.

It closes one whose handshake fails, and leaves one open that was cancelled in it: by a fetch that took too
long, by a client that hung up. Somebody whose server says nothing could use up our file descriptors with it.
"""

from typing import Any

from httpcore._backends.anyio import AnyIOStream

_start_tls: Any = AnyIOStream.start_tls


async def _start_tls_or_close(self: AnyIOStream, *arguments: Any, **named: Any) -> Any:
    try:
        return await _start_tls(self, *arguments, **named)
    except BaseException:
        await self.aclose()
        raise


def install() -> None:
    """Apply this to every connection of httpx and httpcore in this process."""
    kind: Any = AnyIOStream
    kind.start_tls = _start_tls_or_close
