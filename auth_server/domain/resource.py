"""Resource indicators: which resource server a token is for (RFC 8707)."""

from collections import Counter
from urllib.parse import urlsplit

from shared.oauth.errors import InvalidTarget

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Resources:
    """The resource servers tokens may be issued for; the first is the default."""

    def __init__(self, known: tuple[str, ...]) -> None:
        """Take the resource URIs, byte for byte as they are used in `aud`."""
        self._default = known[0]
        self._known = {_comparable(uri): uri for uri in reversed(known)}
        neighbours = Counter(map(_origin, self._known))
        self._alone = {
            _origin(compared): uri
            for compared, uri in self._known.items()
            if neighbours[_origin(compared)] == 1
        }

    def choose(self, resource: str | None) -> str:
        """Return the configured URI that a request names; the default when it names none.

        Other spellings name it too: another case of scheme and host, the default port, a slash at the end
        (RFC 3986 section 6.2). So does the origin of a resource that is alone there, by which RFC 8707
        section 2 lets clients call it. What is returned is the configured spelling in every case.

        Raises:
            InvalidTarget: it is unknown.
        """
        if resource is None:
            return self._default
        compared = _comparable(resource)
        chosen = self._known.get(compared) or self._alone.get(compared)
        if chosen is None:
            raise InvalidTarget("The resource is not one this server issues tokens for.")
        return chosen

    def check_same(self, resource: str | None, approved: str) -> None:
        """Refuse a token request for another resource than the approved one (RFC 8707 section 2.2).

        Raises:
            InvalidTarget: it is another.
        """
        if resource is None:
            return
        compared, own = _comparable(resource), _comparable(approved)
        # Its origin goes on to name it when another resource moves in there: the audience is bound anyway.
        if compared != own and (compared != _origin(own) or compared in self._known):
            raise InvalidTarget("The resource is not the one that was approved.")


def _comparable(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    # What urlsplit drops (line ends, tabs) or lower() makes ASCII (the Kelvin sign) is part of no URI.
    if "#" in uri or not parts.netloc or not uri.isascii() or not uri.isprintable():
        return uri
    scheme = parts.scheme.lower()
    host = parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
    return f"{scheme}://{host}{parts.path.removesuffix('/')}" + (f"?{parts.query}" if "?" in uri else "")


def _origin(compared: str) -> str:
    """Return the origin of a URI as it is compared; the URI itself when it has none."""
    parts = urlsplit(compared)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else compared
