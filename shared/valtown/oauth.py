"""Val Town's authorization server as its client meets it: discovery, registration, tokens.

Source: RFC 8414, RFC 7591, OAuth 2.1 sections 4.1.3 and 4.3; https://www.val.town/oauth. Every exchange is
bounded in time and size, follows no redirect, and its answers are checked before anything is believed.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from shared.credentials import OAuthTokens
from shared.logs import get_logger
from shared.valtown.measured import measured

_SECONDS: Final = 10.0
_ANSWER_BYTES: Final = 64 * 1024
_LONGEST_TOKEN: Final = 4096
_SHORTEST_LIFE: Final = 60
_LONGEST_LIFE: Final = 90 * 86_400

SCOPE: Final = "user_r project_rw blob_rw sqlite_rw email_rw telemetry_r offline_access"
"""Everything our scopes can need: which of it an app gets is decided here, grant by grant."""

RESOURCE: Final = "https://api.val.town"
"""RFC 8707: what its access tokens are for."""

_log = get_logger("valtown:oauth")


class ValTownOAuthError(Exception):
    """Val Town's authorization server gave nothing usable: a fault of it or on the way, which may pass."""


class RefusedError(ValTownOAuthError):
    """It refused; `error` is its code (RFC 6749 section 5.2), such as invalid_grant."""

    def __init__(self, error: str) -> None:
        """Take the code."""
        super().__init__(error)
        self.error = error


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What its metadata say (RFC 8414 section 2)."""

    issuer: str
    authorization: str
    token: str
    registration: str


@dataclass(frozen=True, slots=True)
class RegisteredClient:
    """Us, as Val Town knows us; without a secret we are a public client."""

    client_id: str
    client_secret: str = field(repr=False)


class ValTownOAuth:
    """Speaks to one authorization server."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        """Take the shared connection pool."""
        self._http = http

    async def discover(self, issuer: str) -> Endpoints:
        """Return the endpoints of an issuer.

        Looked for where RFC 8414 section 3.1 has it, then at the root, where Val Town publishes it.

        Raises:
            ValTownOAuthError: there is no metadata of this very issuer, or they lead off its origin.
        """
        parts = urlsplit(issuer)
        root = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server"
        places = (f"{root}{parts.path}", root) if parts.path.strip("/") else (root,)
        for place in places:
            status, members = await self._send("GET", place)
            if status == 200 and members.get("issuer") == issuer:
                return _endpoints(issuer, members)
        raise ValTownOAuthError(f"there is no metadata of {issuer}")

    async def register(self, endpoints: Endpoints, redirect_uri: str) -> RegisteredClient:
        """Register this server (RFC 7591).

        Raises:
            ValTownOAuthError: it did not work.
        """
        body = {
            "client_name": "Val Town MCP server",
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": "client_secret_post",
        }
        status, members = await self._send("POST", endpoints.registration, json_body=body)
        if status not in (200, 201):
            raise ValTownOAuthError(f"registration answered {status}")
        return RegisteredClient(_text(members, "client_id"), _text(members, "client_secret", ""))

    async def redeem(
        self,
        endpoints: Endpoints,
        client: RegisteredClient,
        *,
        code: str,
        verifier: str,
        redirect_uri: str,
        now: int,
    ) -> OAuthTokens:
        """Exchange an authorization code; `now` in seconds since the epoch.

        Raises:
            RefusedError: it is not good.
            ValTownOAuthError: nothing usable came back.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "code_verifier": verifier,
            "redirect_uri": redirect_uri,
            "resource": RESOURCE,
        }
        members = await self._token(endpoints.token, client, form)
        return OAuthTokens(
            access_token=_text(members, "access_token"),
            refresh_token=_text(members, "refresh_token", ""),
            expires_at=now + _life(members),
            token_endpoint=endpoints.token,
            client_id=client.client_id,
            client_secret=client.client_secret,
        )

    async def refresh(self, tokens: OAuthTokens, *, now: int) -> OAuthTokens:
        """Return the successors of tokens; the old refresh token is used up.

        Raises:
            RefusedError: Val Town does not take it (any more).
            ValTownOAuthError: nothing usable came back; it may be used up nevertheless.
        """
        client = RegisteredClient(tokens.client_id, tokens.client_secret)
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, "resource": RESOURCE}
        members = await self._token(tokens.token_endpoint, client, form)
        return replace(
            tokens,
            access_token=_text(members, "access_token"),
            refresh_token=_text(members, "refresh_token", tokens.refresh_token),
            expires_at=now + _life(members),
        )

    async def _token(self, url: str, client: RegisteredClient, form: Mapping[str, str]) -> Mapping[str, Any]:
        credentials = {"client_id": client.client_id}
        if client.client_secret:
            credentials["client_secret"] = client.client_secret
        status, members = await self._send("POST", url, form={**credentials, **form})
        if status == 200:
            if str(members.get("token_type", "")).lower() != "bearer":
                raise ValTownOAuthError("the token is of another type than Bearer")
            return members
        error = members.get("error")
        if status in (400, 401) and isinstance(error, str):
            raise RefusedError(error[:64])
        raise ValTownOAuthError(f"the token endpoint answered {status}")

    async def _send(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        json_body: object = None,
    ) -> tuple[int, Mapping[str, Any]]:
        with measured("oauth") as context:
            return await self._exchange(method, url, context, form, json_body)

    async def _exchange(
        self,
        method: str,
        url: str,
        context: Mapping[str, str],
        form: Mapping[str, str] | None,
        json_body: object,
    ) -> tuple[int, Mapping[str, Any]]:
        # Apart from the pool's defaults, as in `transport`: neither its cookies nor its headers go along.
        request = httpx.Request(
            method,
            url,
            headers={**context, "Accept": "application/json", "Accept-Encoding": "identity"},
            data=form,
            json=json_body,
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), _SECONDS)},
        )
        try:
            response = await self._http.send(request, stream=True, follow_redirects=False, auth=None)
            try:
                content = bytearray()
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > _ANSWER_BYTES:
                        raise ValTownOAuthError("the answer is too large")
            finally:
                await response.aclose()
        except httpx.HTTPError as error:
            # Not chained: an httpx error carries the request, and with it the secrets in its body.
            raise ValTownOAuthError(f"it cannot be reached ({type(error).__name__})") from None
        _log.debug("asked", method=method, path=urlsplit(url).path, status=response.status_code)
        try:
            members = json.loads(content)
        except ValueError:
            members = {}
        return response.status_code, members if isinstance(members, dict) else {}


def _endpoints(issuer: str, members: Mapping[str, Any]) -> Endpoints:
    origin = urlsplit(issuer)[:2]
    found = [
        _text(members, name) for name in ("authorization_endpoint", "token_endpoint", "registration_endpoint")
    ]
    # Stricter than RFC 8414: a document that was tampered with must not send codes or secrets elsewhere.
    if any(urlsplit(url)[:2] != origin or urlsplit(url).query or urlsplit(url).fragment for url in found):
        raise ValTownOAuthError("its metadata lead to another origin")
    if "S256" not in members.get("code_challenge_methods_supported", ()):
        raise ValTownOAuthError("it does not support PKCE with S256")
    return Endpoints(issuer, *found)


def _text(members: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = members.get(name, default)
    if not isinstance(value, str) or len(value) > _LONGEST_TOKEN or (not value and default is None):
        raise ValTownOAuthError(f"{name} is missing or malformed")
    return value


def _life(members: Mapping[str, Any]) -> int:
    seconds = members.get("expires_in", 3600)
    if not isinstance(seconds, int) or isinstance(seconds, bool):
        raise ValTownOAuthError("expires_in is no whole number")
    return min(max(seconds, _SHORTEST_LIFE), _LONGEST_LIFE)
