"""Client identifiers that are URLs (draft-ietf-oauth-client-id-metadata-document-03 section 3).

They are compared as strings and never normalized, so only a spelling that has no twin is accepted.
"""

import re
from typing import Final
from urllib.parse import urlsplit

MAX_LENGTH: Final = 1000

# A name with a dot whose last label begins with a letter: no address is one, however it is spelled.
_HOST: Final = r"(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9\-]{0,61}[a-z0-9])?"
_PORT: Final = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_SEGMENTS: Final = r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*)+"
_QUERY: Final = r"(?:\?(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*)?"
_URL: Final = re.compile(rf"https://{_HOST}{_PORT}{_SEGMENTS}{_QUERY}")
_DOT_SEGMENT: Final = re.compile(r"/(?:\.|%2[eE]){1,2}(?=/|\?|$)")


class ClientIdUrlError(Exception):
    """The URL cannot be a client identifier; `reason` is for the person and the app's developer."""

    def __init__(self, reason: str) -> None:
        """Take a sentence."""
        self.reason = reason
        super().__init__(reason)


def is_url(client_id: str) -> bool:
    """Return whether a client identifier is meant as the URL of a document."""
    return client_id.startswith("https://")


def check(client_id: str) -> None:
    """Check a client identifier that is a URL.

    Raises:
        ClientIdUrlError: it could be fetched from somewhere else than it says, or is the twin of another.
    """
    check_https(client_id)
    if urlsplit(client_id).path == "/":
        raise ClientIdUrlError("The client_id must be a URL with a path.")


def check_https(url: str) -> None:
    """Check a URL that a stranger wants fetched, by its spelling alone.

    Raises:
        ClientIdUrlError: it is no plain https URL of a named host.
    """
    if len(url) > MAX_LENGTH:
        raise ClientIdUrlError(f"The URL is longer than {MAX_LENGTH} characters.")
    match = _URL.fullmatch(url)
    if match is None or int(match["port"] or 443) > 65535:
        raise ClientIdUrlError(
            "The URL must use https, name a host in lower case, and have a path, but no user and no fragment."
        )
    if _DOT_SEGMENT.search(url):
        raise ClientIdUrlError("The URL must not contain dot segments.")


def host_of(client_id: str) -> str:
    """Return the host, with a port that is not the usual one, of a client identifier that was checked."""
    return urlsplit(client_id).netloc
