"""Refusals of the authorization server, as exceptions; `app` makes JSON of them (RFC 6749 section 5.2)."""


class OAuthError(Exception):
    """A refusal: its code on the wire, a sentence for developers, the HTTP status."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status

    def body(self) -> dict[str, str]:
        return {"error": self.error, "error_description": self.description}


class PageError(Exception):
    """An authorization request that must not be answered by a redirect (RFC 6749 section 4.1.2.1)."""
