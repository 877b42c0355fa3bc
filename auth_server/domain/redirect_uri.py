"""Redirect URIs: what may be registered, and what matches it (RFC 6749 section 3.1.2, RFC 8252)."""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from shared.oauth.errors import InvalidRedirectUri
from shared.settings import is_loopback

MAX_LENGTH = 2000

# RFC 3986 characters; a percent sign only in front of two hexadecimal digits.
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
# A name, an IPv4 address or an IPv6 address in brackets, and a port. Nothing else that RFC 3986 allows: no
# name in use has it, and the host becomes part of a Content-Security-Policy.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9\-_]{0,61}[A-Za-z0-9_])?"
_AUTHORITY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+\-.]*")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
_DOT_SEGMENTS = frozenset({".", "..", "%2e", "%2e%2e", ".%2e", "%2e."})


@dataclass(frozen=True, slots=True)
class RedirectPolicy:
    """Which redirect URIs clients may have."""

    schemes: frozenset[str]
    """Private-use schemes without a dot that are allowed by name."""
    allow_http: bool
    """INSECURE_ALLOW_HTTP: http beyond this computer."""

    def check(self, uri: str) -> str:
        """Return a redirect URI that may be registered, unchanged.

        Raises:
            InvalidRedirectUri: with what is wrong with it.
        """
        if len(uri) > MAX_LENGTH:
            raise InvalidRedirectUri(f"A redirect URI is longer than {MAX_LENGTH} characters.")
        if not _URI.fullmatch(uri) or "#" in uri:
            raise InvalidRedirectUri(
                "A redirect URI must be an absolute URI without fragment (RFC 6749 3.1.2)."
            )
        parts = _split(uri)
        if parts.scheme in ("http", "https"):
            self._check_web(uri, parts)
        else:
            self._check_private_use(parts)
        return uri

    def _check_web(self, uri: str, parts: SplitResult) -> None:
        if "@" in parts.netloc:
            raise InvalidRedirectUri("A redirect URI must not contain a user.")
        if not parts.hostname or not _AUTHORITY.fullmatch(parts.netloc):
            raise InvalidRedirectUri("A redirect URI must name one host.")
        if any(segment.lower() in _DOT_SEGMENTS for segment in parts.path.split("/")):
            raise InvalidRedirectUri("A redirect URI must not contain dot segments.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK_HOSTS and not self.allow_http:
            raise InvalidRedirectUri(
                "A redirect URI must use HTTPS; http is only for 127.0.0.1, [::1] and localhost."
            )

    def _check_private_use(self, parts: SplitResult) -> None:
        # RFC 8252 section 7.1: a scheme made from a domain name has a dot; others only by name.
        if not _SCHEME.fullmatch(parts.scheme) or (
            "." not in parts.scheme and parts.scheme not in self.schemes
        ):
            raise InvalidRedirectUri(
                "A redirect URI must use HTTPS, http on this computer, or a private-use scheme with a dot."
            )


def matches(registered: str, requested: str) -> bool:
    """Return whether a requested redirect URI is the registered one.

    Compared as strings; only the port of an http loopback URI may differ (RFC 8252 section 7.3), for the name
    `localhost` too, which real clients use.
    """
    return registered == requested or without_loopback_port(registered) == without_loopback_port(requested)


def without_loopback_port(uri: str) -> str:
    """Return a redirect URI without the port when it is an http loopback URI, else unchanged."""
    loopback = _loopback_without_port(uri)
    return uri if loopback is None else f"http://{loopback[0]}{loopback[1]}"


def leads_to_this_computer(uri: str) -> bool:
    """Return whether a program on the person's own computer gets the code: then any of them may have asked.

    That is so for loopback addresses and for private-use schemes, which any program can claim.
    """
    return not uri.startswith("https:") and (
        not uri.startswith("http:") or _loopback_without_port(uri) is not None
    )


def display_host(uri: str) -> str:
    """Return what a person should recognise of a redirect URI: host and port, or private-use scheme."""
    parts = urlsplit(uri)
    return parts.netloc if parts.scheme in ("http", "https") else f"{parts.scheme}:"


def form_action_source(uri: str) -> str:
    """Return the Content-Security-Policy source that lets a form's answer redirect to this URI."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or (parts.hostname and ":" in parts.hostname):
        # CSP has no spelling for IPv6 hosts or hostless schemes: the scheme alone has to do.
        return f"{parts.scheme}:"
    return f"{parts.scheme}://{parts.netloc}"


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        raise InvalidRedirectUri("A redirect URI is malformed.") from None
    if not uri.startswith(f"{parts.scheme}:"):
        raise InvalidRedirectUri("A redirect URI must be absolute, with a lower-case scheme.")
    return parts


def _loopback_without_port(uri: str) -> tuple[str, str] | None:
    match = re.match(r"http://(127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?(?=[/?]|$)", uri)
    if match is None or not is_loopback(match.group(1).strip("[]")):
        return None
    return match.group(1), uri[match.end() :]
