"""Resource indicators: which resource server a token is for (RFC 8707)."""

from urllib.parse import urlsplit

from shared.oauth.errors import InvalidTarget


class Resources:
    """The resource servers tokens may be issued for; the first is the default."""

    def __init__(self, known: tuple[str, ...]) -> None:
        """Take the resource URIs, byte for byte as they are used in `aud`."""
        self._default = known[0]
        self._known = {_comparable(uri): uri for uri in reversed(known)}

    def choose(self, resource: str | None) -> str:
        """Return the configured URI that a request names; the default when it names none.

        Raises:
            InvalidTarget: it is unknown. Scheme and host compare without regard to case (RFC 3986, 6.2.2.1).
        """
        if resource is None:
            return self._default
        known = self._known.get(_comparable(resource))
        if known is None:
            raise InvalidTarget("The resource is not one this server issues tokens for.")
        return known

    def check_same(self, resource: str | None, approved: str) -> None:
        """Refuse a token request for another resource than the approved one (RFC 8707 section 2.2).

        Raises:
            InvalidTarget: it is another.
        """
        if resource is not None and _comparable(resource) != _comparable(approved):
            raise InvalidTarget("The resource is not the one that was approved.")


def _comparable(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    # What urlsplit drops (line ends, tabs) or lower() makes ASCII (the Kelvin sign) is part of no URI.
    if "#" in uri or not parts.netloc or not uri.isascii() or not uri.isprintable():
        return uri
    # An empty path and "/" are the same resource; no other trailing slash is touched.
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path or '/'}" + (
        f"?{parts.query}" if "?" in uri else ""
    )
