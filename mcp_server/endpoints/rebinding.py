"""Which hosts and origins may call, against DNS rebinding (MCP 2026-07-28 "Transports", Security Warning)."""

from collections.abc import Iterable

_DEFAULT_PORTS = {"http": "80", "https": "443"}


class AddressGuard:
    """The allowed values of Host and Origin.

    A host without a port stands for all its ports; an origin with the port `*` likewise. An origin without a
    port means the scheme's own.
    """

    def __init__(self, *, hosts: Iterable[str], origins: Iterable[str]) -> None:
        """Take `name`, `name:port` for hosts and `scheme://name`, `scheme://name:port` for origins."""
        self._hosts = frozenset(hosts)
        self._origins = frozenset(_with_port(origin) for origin in origins)

    def allows_host(self, host: str) -> bool:
        """Return whether a Host header names this server."""
        host = host.lower()
        return host in self._hosts or _without_port(host) in self._hosts

    def allows_origin(self, origin: str) -> bool:
        """Return whether an Origin header names a site that may call; `null` never does."""
        origin = _with_port(origin.lower())
        return origin in self._origins or f"{origin.rpartition(':')[0]}:*" in self._origins


def _without_port(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host


def _with_port(origin: str) -> str:
    scheme, separator, host = origin.partition("://")
    if not separator or _without_port(host) != host or host.endswith(":*"):
        return origin
    return f"{origin}:{_DEFAULT_PORTS.get(scheme, '')}"
