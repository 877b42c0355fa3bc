"""The access token: a JWT of type at+jwt, checked here by a library the server does not use (RFC 9068)."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import httpx
import jwt
import pytest

from dev.flow import Browser, OAuthClient
from mcp_server.sandbox.accounts import ADA as ADA_ACCOUNT
from tests.auth_server.deployment import ISSUER, RESOURCE, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


async def key_of(http: httpx.AsyncClient, token: str) -> Any:
    keys = jwt.PyJWKSet.from_dict((await http.get("/.well-known/jwks.json")).json())
    return keys[jwt.get_unverified_header(token)["kid"]].key


@pytest.fixture
async def token(client: OAuthClient, browser: Browser) -> str:
    issued: str = (await client.tokens(browser, scope="vals:read user:read"))["access_token"]
    return issued


@requirement("J1", "O37")
async def test_the_signature_and_claims_verify_against_the_published_key(
    server: AuthServer, client: OAuthClient, http: httpx.AsyncClient, token: str
) -> None:
    claims = jwt.decode(
        token,
        await key_of(http, token),
        algorithms=["RS256"],
        audience=RESOURCE,
        issuer=ISSUER,
        options={"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
    )
    assert set(claims) == {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "gid"}
    assert claims["aud"] == RESOURCE
    assert claims["sub"] == str(ADA_ACCOUNT.id)
    assert claims["client_id"] == client.client_id
    assert claims["scope"] == "vals:read user:read"
    assert claims["exp"] - claims["iat"] == 3600
    assert abs(claims["iat"] - server.clock.now()) < 5
    assert type(claims["iat"]) is type(claims["exp"]) is int


@requirement("J1")
async def test_the_header_is_typed_and_names_the_key(token: str) -> None:
    assert jwt.get_unverified_header(token).keys() == {"alg", "kid", "typ"}
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


async def test_an_altered_token_does_not_verify(http: httpx.AsyncClient, token: str) -> None:
    header, payload, signature = token.split(".")
    altered = f"{header}.{payload[:-2]}{'AA' if payload[-2:] != 'AA' else 'BB'}.{signature}"
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(altered, await key_of(http, token), algorithms=["RS256"], audience=RESOURCE)


async def test_no_two_tokens_have_the_same_id(client: OAuthClient, browser: Browser) -> None:
    tokens = await client.tokens(browser)
    ids = set()
    for _ in range(4):
        tokens = (await client.refresh(tokens["refresh_token"])).json()
        ids.add(jwt.decode(tokens["access_token"], options={"verify_signature": False})["jti"])
    assert len(ids) == 4


async def test_a_refreshed_token_is_of_the_same_grant(client: OAuthClient, browser: Browser) -> None:
    first = await client.tokens(browser)
    second = (await client.refresh(first["refresh_token"])).json()
    one, two = (
        jwt.decode(issued["access_token"], options={"verify_signature": False}) for issued in (first, second)
    )
    same = ("iss", "sub", "aud", "client_id", "scope", "gid")
    assert [one[name] for name in same] == [two[name] for name in same]


@requirement("L236")
async def test_no_credential_is_in_the_token(client: OAuthClient, token: str) -> None:
    for part in token.split(".")[:2]:
        text = urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
        assert "vtwn_" not in text
        assert client.client_secret is not None
        assert client.client_secret not in text
        assert None not in json.loads(text).values()
