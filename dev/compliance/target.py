"""What is checked: what the deployment says about itself, and the clients and browsers that talk to it."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from dev.flow import Browser, Callback, OAuthClient, Pkce, forms_of
from dev.mcp_messages import McpRequest

REDIRECT_URI: Final = "https://client.example.com/callback"
STATE: Final = "a state/with ?&=%20 and ünicode"
TIMEOUT: Final = 20.0


@dataclass(slots=True)
class Target:
    """One deployment. The documents are empty until the discovery checks have read them."""

    http: httpx.AsyncClient
    stack: AsyncExitStack
    mcp_url: str
    api_token: str
    resource_metadata_url: str = ""
    resource: Mapping[str, Any] = field(default_factory=dict)
    issuer: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    keys: list[Mapping[str, Any]] = field(default_factory=list)
    client: OAuthClient = field(init=False)
    """A confidential client with one https redirect URI."""
    other_client: OAuthClient = field(init=False)
    """Another one, which must never get at what the first one has."""
    public_client: OAuthClient = field(init=False)
    """A client of this computer, without a secret."""
    browser: Browser = field(init=False)
    """The person's browser; signed in once its first flow is through."""
    to_revoke: list[tuple[OAuthClient, str]] = field(default_factory=list)

    @property
    def mcp_origin(self) -> str:
        """Scheme, host and port of the MCP endpoint."""
        return origin_of(self.mcp_url)

    def endpoint(self, name: str) -> str:
        """Return an endpoint of the authorization server by its metadata name; empty when it has none."""
        return str(self.metadata.get(f"{name}_endpoint", ""))

    async def new_browser(self) -> Browser:
        """Return a browser with an empty cookie jar."""
        http = await self.stack.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT))
        return Browser(http, self.api_token)

    def new_client(self, redirect_uri: str = REDIRECT_URI) -> OAuthClient:
        """Return a client that is not registered yet."""
        return OAuthClient(self.http, self.issuer, redirect_uri)

    async def authorize(self, client: OAuthClient, pkce: Pkce, **parameters: str | None) -> httpx.Response:
        """Send an authorization request as a browser without cookies; return the very answer."""
        url = client.authorize_url(pkce, **{"state": STATE, **parameters})
        async with httpx.AsyncClient(timeout=TIMEOUT) as http:
            return await http.get(url)

    async def approve(
        self, client: OAuthClient, pkce: Pkce, *, untick: tuple[str, ...] = (), **parameters: str | None
    ) -> Callback:
        """Let the person approve a request; return what reaches the client."""
        url = client.authorize_url(pkce, **{"state": STATE, "resource": self.mcp_url, **parameters})
        return await self.browser.approve(url, untick=untick)

    async def code(self, client: OAuthClient, pkce: Pkce, scope: str = "read") -> str:
        """Return a fresh authorization code, empty when none came."""
        return (await self.approve(client, pkce, scope=scope)).parameters.get("code", "")

    async def tokens(self, client: OAuthClient, scope: str = "read") -> dict[str, Any]:
        """Return a fresh token response; the grant is revoked when all checks are made."""
        pkce = Pkce.new()
        issued = json_of(await client.redeem(await self.code(client, pkce, scope), pkce.verifier))
        return self.keep(client, issued)

    def keep(self, client: OAuthClient, issued: dict[str, Any]) -> dict[str, Any]:
        """Remember to revoke what was issued."""
        if token := issued.get("refresh_token"):
            self.to_revoke.append((client, str(token)))
        return issued

    async def mcp(self, request: McpRequest, token: str | None = None) -> httpx.Response:
        """Send a request to the MCP endpoint."""
        return await request.send(self.http, self.mcp_url, token)

    async def tidy(self) -> None:
        """Revoke what was issued. Nothing depends on it: whatever is left ends by itself."""
        for client, token in self.to_revoke:
            await client.revoke(token)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def json_of(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer; empty when it is none."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def refusal_of(response: httpx.Response) -> tuple[int, object]:
    """Return status and `error` of an answer."""
    return response.status_code, json_of(response).get("error")


def has_null(value: object) -> bool:
    """Return whether a JSON value is or holds a null."""
    if isinstance(value, dict):
        return any(has_null(member) for member in value.values())
    if isinstance(value, list):
        return any(has_null(item) for item in value)
    return value is None


def shows_form(page: httpx.Response, name: str) -> bool:
    """Return whether a page has a form with an input or button of this name."""
    forms = forms_of(page.text)
    return any(name in form.inputs or name in dict(form.buttons) for form in forms)
