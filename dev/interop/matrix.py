"""Which clients there are, how each can be known to the authorization server, and which era it speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from dev.mcp_messages import HANDSHAKE, MODERN

ERAS: Final = (HANDSHAKE, MODERN)
DOCUMENT_HOST: Final = "https://client.example.com"


class Registration(StrEnum):
    """How the authorization server comes to know a client; the value is what the table says."""

    PRE_REGISTERED = "pre-registered"
    DOCUMENT = "metadata document"
    DYNAMIC = "dynamic"


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its name on the command line and in the table, and how it is driven.

    Attributes:
        package: on PyPI or npm.
        driver: a file in `drivers`; its suffix tells the language.
        redirect_path: of the loopback URI that it listens at.
        redirect_host: of that URI.
        no_step_up: when known in this way, a refusal for want of a scope leads to no new consent; says why.
        steps_up_by_resource: it calls no tool that is not listed, and the list has only what the grant opens.
    """

    name: str
    title: str
    package: str
    driver: str
    redirect_path: str = "/callback"
    redirect_host: str = "127.0.0.1"
    no_step_up: Mapping[Registration, str] = field(default_factory=dict, hash=False)
    steps_up_by_resource: bool = False

    @property
    def document_url(self) -> str:
        """The client's id when a document describes it."""
        return f"{DOCUMENT_HOST}/{self.name}.json"

    def redirect_uri(self, port: int | None = None) -> str:
        """Return where codes are sent; without a port it stands for all (RFC 8252 section 7.3)."""
        host = self.redirect_host if port is None else f"{self.redirect_host}:{port}"
        return f"http://{host}{self.redirect_path}"


_REFRESHES: Final = "its transport has a refresh token used before it has the person asked"
_WATCHES: Final = "it looks after a 403 only when given `--client-id` or `--client-metadata-url`"

CLIENTS: Final = (
    Client("python-sdk", "Python SDK", "mcp", "python_sdk.py"),
    Client("fastmcp", "FastMCP", "fastmcp-slim", "fastmcp_client.py", redirect_host="localhost"),
    Client(
        "ts-v1",
        "TypeScript SDK v1",
        "@modelcontextprotocol/sdk",
        "ts_v1.mjs",
        no_step_up=dict.fromkeys(Registration, _REFRESHES),
    ),
    Client("ts-v2", "TypeScript SDK v2", "@modelcontextprotocol/client", "ts_v2.mjs"),
    Client(
        "mcp-remote",
        "mcp-remote",
        "mcp-remote",
        "mcp_remote.mjs",
        "/oauth/callback",
        redirect_host="localhost",
    ),
    Client(
        "inspector",
        "Inspector CLI",
        "@modelcontextprotocol/inspector",
        "inspector.mjs",
        "/oauth/callback",
        no_step_up={Registration.DYNAMIC: _WATCHES},
        steps_up_by_resource=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the table: one client, known in one way, in one era."""

    client: Client
    registration: Registration
    era: str

    def __str__(self) -> str:
        """Return how progress names it."""
        return f"{self.client.name}, {self.registration}, {self.era}"


def cases(names: Sequence[str]) -> tuple[Case, ...]:
    """Return every row for these clients; no names: all of them."""
    return tuple(
        Case(client, registration, era)
        for client in CLIENTS
        if not names or client.name in names
        for registration in Registration
        for era in ERAS
    )


def quick_cases() -> tuple[Case, ...]:
    """Return a row of each language and of each era, whose clients register themselves."""
    eras = {"python-sdk": MODERN, "ts-v2": HANDSHAKE}
    return tuple(
        case
        for case in cases(tuple(eras))
        if case.registration is Registration.DYNAMIC and case.era == eras[case.client.name]
    )
