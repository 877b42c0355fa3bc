"""REDIS_URL: one server, a master that Sentinels name, or a cluster.

    redis://, rediss://, unix://                                        one server
    redis+sentinel://[user:password@]host[:port],…/service[/database]   the master of a service
    redis+cluster://[user:password@]host[:port],…                       a cluster

`rediss+sentinel` and `rediss+cluster` use TLS.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

SENTINEL_PORT: Final = 26379
PORT: Final = 6379

_SINGLE_SCHEMES: Final = ("redis", "rediss", "unix")
_TLS_OPTIONS: Final = frozenset(
    {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})
_NODE: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?")

Node = tuple[str, int]
"""Host and port."""


class Kind(StrEnum):
    """How the store is kept."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store is.

    Attributes:
        kind: how it is kept.
        url: as it was given; what redis-py reads when it is one server.
        nodes: sentinels, or nodes of the cluster to ask for the others; empty for one server.
        service: what the sentinels call the master.
        database: of the master; a cluster has one alone.
        username: at the store; None: the default user.
        password: at the store.
        sentinel_username: at the sentinels.
        sentinel_password: at the sentinels.
        tls: whether connections are encrypted, those to the sentinels too.
        tls_options: of redis-py, such as `ssl_ca_certs`.
    """

    kind: Kind
    url: str = field(repr=False)
    nodes: tuple[Node, ...] = ()
    service: str = ""
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: bool = False
    tls_options: Mapping[str, str | bool] = field(default_factory=dict)


def parse_address(url: str) -> StoreAddress:
    """Return what a REDIS_URL says.

    Raises:
        ValueError: it is none; the message goes on after the setting's name and holds no secret.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in _SINGLE_SCHEMES and separator:
        return StoreAddress(Kind.SINGLE, url)
    security, plus, kind = scheme.partition("+")
    if not (separator and plus and security in ("redis", "rediss") and kind in ("sentinel", "cluster")):
        raise ValueError(
            "must start with redis://, rediss:// or unix://, or for high availability with redis+sentinel:// "
            "or redis+cluster:// (TLS: rediss+…)"
        )
    where, query = _split(rest)
    authority, _, path = where.partition("/")
    username, password, nodes = _authority(authority, SENTINEL_PORT if kind == "sentinel" else PORT)
    tls = security == "rediss"
    options = _options(query, _SENTINEL_OPTIONS if kind == "sentinel" else frozenset(), tls=tls)
    service, database = _service(path) if kind == "sentinel" else ("", _no_database(path))
    return StoreAddress(
        Kind(kind),
        url,
        nodes=nodes,
        service=service,
        database=database,
        username=username,
        password=password,
        sentinel_username=options.pop("sentinel_username", None),
        sentinel_password=options.pop("sentinel_password", None),
        tls=tls,
        tls_options={name: _value(name, value) for name, value in options.items()},
    )


def without_secrets(url: str) -> str:
    """Return a REDIS_URL for people to read: user, password and options are hidden."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = "***@" if "@" in parts.netloc else ""
    options = "?***" if parts.query or parts.fragment else ""
    return f"{parts.scheme}://{user}{host}{parts.path}{options}"


def _split(rest: str) -> tuple[str, str]:
    if "#" in rest:
        raise ValueError("must not carry a fragment: write # in a password as %23")
    where, _, query = rest.partition("?")
    return where, query


def _authority(authority: str, default_port: int) -> tuple[str | None, str | None, tuple[Node, ...]]:
    credentials, _, hosts = authority.rpartition("@")
    username, _, password = credentials.partition(":")
    nodes = tuple(_node(each.strip(), default_port) for each in hosts.split(","))
    if len(set(nodes)) != len(nodes):
        raise ValueError("must not name a host and port twice")
    return unquote(username) or None, unquote(password) or None, nodes


def _node(text: str, default_port: int) -> Node:
    match = _NODE.fullmatch(text)
    port = int(match["port"] or default_port) if match else 0
    if match is None or not 0 < port <= 65535:
        raise ValueError("must name its hosts as host:port, with commas between")
    return match["host"].strip("[]"), port


def _service(path: str) -> tuple[str, int]:
    service, _, database = path.partition("/")
    if not service:
        raise ValueError("must end in the service's name, as the sentinels know it: …/mymaster")
    if database and not database.isdecimal():
        raise ValueError("must have the number of a database after the service's name, or nothing")
    return unquote(service), int(database or "0")


def _no_database(path: str) -> int:
    if path not in ("", "0"):
        raise ValueError("must not name a database or service: a cluster has database 0 alone")
    return 0


def _options(query: str, more: frozenset[str], *, tls: bool) -> dict[str, str]:
    known = more | (_TLS_OPTIONS if tls else frozenset())
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            allowed = ", ".join(sorted(known)) or "none"
            raise ValueError(f"must not have other options than these: {allowed}")
        if name in options:
            raise ValueError(f"must not have the option {name} twice")
        options[name] = value
    return options


def _value(name: str, value: str) -> str | bool:
    return value.lower() in ("true", "yes", "1") if name == "ssl_check_hostname" else value
