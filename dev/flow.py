"""An OAuth client and the person's browser, by script: for the demo, the compliance run and the tests."""

import base64
import hashlib
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

MAX_STEPS = 10


class FlowError(Exception):
    """A step of the flow went another way than it should."""


@dataclass(slots=True)
class Form:
    """One HTML form as a browser would send it."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    inputs: set[str] = field(default_factory=set)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif self.forms and tag == "input":
            self._input(self.forms[-1], given, checked="checked" in given)
        elif self.forms and tag == "button" and "name" in given:
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))

    def _input(self, form: Form, given: Mapping[str, str], *, checked: bool) -> None:
        name = given.get("name")
        if not name:
            return
        form.inputs.add(name)
        if given.get("type") not in ("checkbox", "radio") or checked:
            form.fields[name] = given.get("value", "")


def forms_of(html: str) -> list[Form]:
    """Return the forms of a page."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms


@dataclass(frozen=True, slots=True)
class Pkce:
    """A verifier and its S256 challenge (RFC 7636 section 4)."""

    verifier: str
    challenge: str

    @classmethod
    def new(cls) -> "Pkce":
        """Return a new pair."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        return cls(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


@dataclass(frozen=True, slots=True)
class Callback:
    """What came back to the client's redirect URI."""

    url: str
    parameters: Mapping[str, str]


class Browser:
    """A person with a cookie jar. Follows redirects itself, so that the one to the client is caught."""

    def __init__(self, http: httpx.AsyncClient, api_token: str) -> None:
        """Take a client that keeps cookies, and the Val Town API token the person pastes."""
        self.http = http
        self.api_token = api_token

    async def open(self, url: str) -> httpx.Response:
        """Return the page a URL leads to, or the redirect that leaves the server."""
        return await self.follow(await self.http.get(url))

    async def follow(self, response: httpx.Response) -> httpx.Response:
        """Follow redirects within the server."""
        for _ in range(MAX_STEPS):
            location = response.headers.get("location")
            if response.status_code not in (302, 303) or location is None:
                return response
            target = urljoin(str(response.url), location)
            if urlsplit(target)[:2] != urlsplit(str(response.url))[:2]:
                return response
            response = await self.http.get(target)
        raise FlowError("too many redirects")

    async def submit(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Send the page's form with some fields filled in; follow what comes."""
        return await self.follow(await self.send(page, **fields))

    async def send(self, page: httpx.Response, **fields: str) -> httpx.Response:
        """Send the page's form with some fields filled in; return the very answer."""
        forms = forms_of(page.text)
        if len(forms) != 1:
            raise FlowError(
                f"expected one form at {page.url.path}, got {page.status_code}: {page.text[:500]}"
            )
        target = urljoin(str(page.url), forms[0].action)
        return await self.http.post(target, data={**forms[0].fields, **fields})

    async def sign_in(self, page: httpx.Response) -> httpx.Response:
        """Paste the token if the page asks for it; return the page after."""
        forms = forms_of(page.text)
        if forms and "api_token" in forms[0].inputs:
            return await self.submit(page, api_token=self.api_token)
        return page

    async def decide(
        self, page: httpx.Response, *, decision: str = "approve", untick: Collection[str] = ()
    ) -> Callback:
        """Answer the consent page; return what reaches the client."""
        forms = forms_of(page.text)
        if not forms or ("decision", decision) not in forms[0].buttons:
            raise FlowError(f"expected a consent page, got {page.status_code}: {page.text[:500]}")
        form = forms[0]
        kept = {
            name: value for name, value in form.fields.items() if name.removeprefix("scope.") not in untick
        }
        target = urljoin(str(page.url), form.action)
        response = await self.http.post(target, data={**kept, "decision": decision})
        return callback_of(response)

    async def approve(self, url: str, *, decision: str = "approve", untick: Collection[str] = ()) -> Callback:
        """Go from the authorization URL to the client's redirect URI."""
        page = await self.open(url)
        if "location" in page.headers:
            return callback_of(page)
        return await self.decide(await self.sign_in(page), decision=decision, untick=untick)


def callback_of(response: httpx.Response) -> Callback:
    """Return the redirect to the client that a response is."""
    location = response.headers.get("location")
    if response.status_code not in (302, 303) or location is None:
        raise FlowError(
            f"expected a redirect to the client, got {response.status_code}: {response.text[:500]}"
        )
    return Callback(location, dict(parse_qsl(urlsplit(location).query, keep_blank_values=True)))


@dataclass(slots=True)
class OAuthClient:
    """A client of the authorization server."""

    http: httpx.AsyncClient
    issuer: str
    redirect_uri: str = "https://client.example.com/callback"
    client_id: str = ""
    client_secret: str | None = None

    async def register(self, **metadata: Any) -> dict[str, Any]:
        """Register (RFC 7591), remember the credentials, and return the response."""
        body = {"redirect_uris": [self.redirect_uri], "client_name": "Test Client", **metadata}
        response = await self.http.post(f"{self.issuer}/oauth/register", json=body)
        if response.status_code != 201:
            raise FlowError(f"registration answered {response.status_code}: {response.text}")
        registered: dict[str, Any] = response.json()
        self.client_id = registered["client_id"]
        self.client_secret = registered.get("client_secret")
        return registered

    def authorize_url(self, pkce: Pkce, **parameters: str | None) -> str:
        """Return the authorization URL; a parameter given as None is left out."""
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
            "state": "state-of-the-client",
            **parameters,
        }
        given = {name: value for name, value in query.items() if value is not None}
        return f"{self.issuer}/oauth/authorize?{urlencode(given)}"

    async def post(self, path: str, data: Mapping[str, str]) -> httpx.Response:
        """POST a form to the authorization server with this client's credentials in the body."""
        credentials = {"client_id": self.client_id}
        if self.client_secret is not None:
            credentials["client_secret"] = self.client_secret
        return await self.http.post(f"{self.issuer}{path}", data={**credentials, **data})

    async def redeem(self, code: str, verifier: str, **fields: str) -> httpx.Response:
        """Exchange a code."""
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
        return await self.post("/oauth/token", {**form, "redirect_uri": self.redirect_uri, **fields})

    async def refresh(self, refresh_token: str, **fields: str) -> httpx.Response:
        """Exchange a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.post("/oauth/token", {**form, **fields})

    async def revoke(self, token: str, **fields: str) -> httpx.Response:
        """Revoke a token."""
        return await self.post("/oauth/revoke", {"token": token, **fields})

    async def introspect(self, token: str, **fields: str) -> httpx.Response:
        """Ask what a token amounts to."""
        return await self.post("/oauth/introspect", {"token": token, **fields})

    async def tokens(
        self, browser: Browser, *, untick: Collection[str] = (), **parameters: str | None
    ) -> dict[str, Any]:
        """Return the token response of a whole flow."""
        pkce = Pkce.new()
        callback = await browser.approve(self.authorize_url(pkce, **parameters), untick=untick)
        if "code" not in callback.parameters:
            raise FlowError(f"no code came back: {dict(callback.parameters)}")
        response = await self.redeem(callback.parameters["code"], pkce.verifier)
        if response.status_code != 200:
            raise FlowError(f"the token endpoint answered {response.status_code}: {response.text}")
        issued: dict[str, Any] = response.json()
        return issued


def claims_of(access_token: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified: for looking at, not for deciding."""
    payload = access_token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
