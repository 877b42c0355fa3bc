"""Headers that every answer carries, error pages included (RFC 9700 sections 4.2 and 4.16)."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class SecurityHeadersMiddleware:
    """Adds what is missing; a page may set a Content-Security-Policy of its own.

    No Cross-Origin-Opener-Policy: a client's callback page, opened as a pop-up, talks to its opener.
    """

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        """Take the wrapped app, and whether people reach it by https (then HSTS is sent)."""
        self._app = app
        headers = {
            "Content-Security-Policy": STRICT_POLICY,
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        }
        if https:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = list(message.get("headers", ()))
                names = {name for name, _ in sent}
                message["headers"] = sent + [header for header in self._headers if header[0] not in names]
            await send(message)

        await self._app(scope, receive, send_with_headers)
