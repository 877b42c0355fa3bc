"""Headers that every answer carries, error pages included (RFC 9700 sections 4.2 and 4.16)."""

from collections.abc import Sequence
from typing import Final

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Header lines as ASGI has them: lower-case names."""

STRICT_POLICY: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


def security_headers(*, https: bool) -> RawHeaders:
    """Return the headers; `https`: whether people reach the service by it (then HSTS is sent).

    A page may set a Content-Security-Policy of its own. No Cross-Origin-Opener-Policy: a client's callback
    page, opened as a pop-up, talks to its opener.
    """
    headers = {
        "Content-Security-Policy": STRICT_POLICY,
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    if https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
