"""Clients that sign assertions: `private_key_jwt` (RFC 7521 section 4.2, RFC 7523 section 3, FAPI 2.0)."""

import asyncio
import base64
import hmac
import json
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from auth_server.domain.client_assertion import LONGEST_SECONDS, SKEW_SECONDS, TYPE
from auth_server.outbound.client_key_sets import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS
from auth_server.store.redis.assertions import RedisAssertionStore
from dev.flow import Browser, OAuthClient, claims_of
from shared.oauth.signatures import Registry, SignatureKey
from shared.sealing import base64url
from tests.auth_server.answers import refused
from tests.auth_server.conftest import OpenServer
from tests.auth_server.deployment import ISSUER, AuthServer
from tests.auth_server.internet import Internet, answer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

URL = "https://app.example.com/oauth/client.json"
JWKS_URI = "https://keys.example.com/jwks.json"
REDIRECT_URI = "https://app.example.com/callback"
ANY = Registry(["RS256", "PS256", "ES256", "EdDSA"])

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp"})


def by_hand(header: Mapping[str, Any], body: str, key: Any) -> str:
    """Return a JWS whose header a library would not write."""
    signed = ".".join(base64url(part.encode()) for part in (json.dumps(dict(header)), body))
    match header["alg"]:
        case "none":
            signature = b""
        case "HS256":
            signature = hmac.digest(key, signed.encode(), "sha256")
        case algorithm:
            digest = hashes.SHA384() if algorithm == "RS384" else hashes.SHA256()
            signature = key.private_key.sign(signed.encode(), padding.PKCS1v15(), digest)
    return f"{signed}.{base64url(signature)}"


def public(*keys: SignatureKey, **members: str) -> dict[str, Any]:
    return {"keys": [{**key.as_dict(private=False), **members} for key in keys]}


@dataclass(slots=True)
class SigningClient(OAuthClient):
    """A client that proves itself by signing."""

    key: Any = field(default_factory=lambda: RSA)
    algorithm: str = "RS256"
    now: Callable[[], float] = lambda: 0.0

    def assertion(self, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """Return a new assertion; a claim or header member given as None is left out."""
        given = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "iat": int(self.now()),
            "exp": int(self.now()) + 60,
            "jti": secrets.token_urlsafe(16),
            **claims,
        }
        head = {"alg": self.algorithm, "kid": getattr(self.key, "kid", None), "typ": "JWT", **(header or {})}
        kept = {name: value for name, value in head.items() if value is not None}
        body = json.dumps({name: value for name, value in given.items() if value is not None})
        if header is not None:
            return by_hand(kept, body, self.key)
        return jws.serialize_compact(kept, body, self.key, registry=ANY)

    async def post(self, path: str, data: Mapping[str, str]) -> httpx.Response:
        """POST a form with an assertion."""
        proof = {"client_assertion_type": TYPE, "client_assertion": self.assertion()}
        return await self.http.post(f"{self.issuer}{path}", data={**proof, **data})


def document(**members: Any) -> dict[str, Any]:
    return {
        "client_id": URL,
        "client_name": "Notebook",
        "redirect_uris": [REDIRECT_URI],
        "token_endpoint_auth_method": "private_key_jwt",
        **members,
    }


def signing(server: AuthServer, **changes: Any) -> SigningClient:
    given: dict[str, Any] = {"client_id": URL, "now": server.clock.now, **changes}
    return SigningClient(server.visitor(), ISSUER, REDIRECT_URI, **given)


@pytest.fixture
async def server(open_server: OpenServer) -> AsyncIterator[AuthServer]:
    """Return a server of its own: it keeps the keys it has read."""
    async with open_server() as opened:
        yield opened


@pytest.fixture
def internet() -> Internet:
    found = Internet()
    found.publish(URL, document(jwks_uri=JWKS_URI))
    found.publish(JWKS_URI, public(RSA, EC, OKP))
    return found


@pytest.fixture
def app(server: AuthServer) -> SigningClient:
    return signing(server)


@pytest.fixture
async def refresh_token(app: SigningClient, browser: Browser) -> str:
    tokens = await app.tokens(browser)
    return str(tokens["refresh_token"])


async def present(
    client: OAuthClient, refresh_token: str, assertion: str | None, **form: str
) -> httpx.Response:
    """Refresh with this very assertion."""
    proof = {} if assertion is None else {"client_assertion_type": TYPE, "client_assertion": assertion}
    data = {"grant_type": "refresh_token", "refresh_token": refresh_token, **proof, **form}
    return await client.http.post("/oauth/token", data=data)


@requirement("D87", "M2")
@pytest.mark.parametrize("where", ["jwks_uri", "jwks"])
@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (OKP, "EdDSA")]
)
async def test_the_whole_flow_with_each_kind_of_key(
    server: AuthServer, internet: Internet, browser: Browser, where: str, key: Any, algorithm: str
) -> None:
    if where == "jwks":
        internet.publish(URL, document(jwks=public(key)))
    app = signing(server, key=key, algorithm=algorithm)
    metadata = (await server.visitor().get("/.well-known/oauth-authorization-server")).json()
    assert algorithm in metadata["token_endpoint_auth_signing_alg_values_supported"]
    tokens = await app.tokens(browser)
    assert claims_of(tokens["access_token"])["client_id"] == URL
    renewed = (await app.refresh(tokens["refresh_token"])).json()
    told = await app.introspect(renewed["access_token"])
    assert told.json()["active"] is True
    assert (await app.revoke(renewed["refresh_token"])).status_code == 200
    refused(await app.refresh(renewed["refresh_token"]), 400, "invalid_grant")
    assert internet.requests.count(JWKS_URI) == (where == "jwks_uri"), "keys are kept"


@requirement("D87")
@pytest.mark.parametrize("method", ["jwks", "jwks_uri"])
async def test_a_client_may_register_with_a_key(
    server: AuthServer, internet: Internet, browser: Browser, method: str
) -> None:
    app = signing(server)
    keys = {"jwks": public(RSA)} if method == "jwks" else {"jwks_uri": JWKS_URI}
    registered = await app.register(token_endpoint_auth_method="private_key_jwt", **keys)
    assert "client_secret" not in registered
    assert registered[method] == keys[method]
    assert app.client_id != URL
    tokens = await app.tokens(browser)
    assert claims_of(tokens["access_token"])["client_id"] == app.client_id
    other = signing(server)
    await other.register(token_endpoint_auth_method="private_key_jwt", **keys)
    assert other.client_id != app.client_id


BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another audience": ({}, {"aud": "https://other.example.com"}),
    "the token endpoint": ({}, {"aud": f"{ISSUER}/oauth/token"}),
    "issuer with a slash": ({}, {"aud": f"{ISSUER}/"}),
    "a list": ({}, {"aud": [ISSUER]}),
    "a longer list": ({}, {"aud": [ISSUER, "https://other.example.com"]}),
    "no audience": ({}, {"aud": None}),
    "no exp": ({}, {"exp": None}),
    "exp as text": ({}, {"exp": "9999999999"}),
    "exp true": ({}, {"exp": True}),
    "no jti": ({}, {"jti": None}),
    "empty jti": ({}, {"jti": ""}),
    "jti a number": ({}, {"jti": 7}),
    "long jti": ({}, {"jti": "x" * 256}),
    "no sub": ({}, {"sub": None}),
    "no iss": ({}, {"iss": None}),
    "sub another": ({}, {"sub": "https://evil.example.com/client.json"}),
    "iss another": ({}, {"iss": "https://evil.example.com/client.json"}),
    "unknown kid": ({"kid": "unknown"}, {}),
    "kid a number": ({"kid": 7}, {}),
    "kid of another kind": ({"kid": "ec"}, {}),
    "access token": ({"typ": "at+jwt"}, {}),
    "typ a number": ({"typ": 7}, {}),
    "crit": ({"crit": ["exp"], "exp": 1}, {}),
    "jku": ({"jku": "https://evil.example.com/jwks.json"}, {}),
    "x5u": ({"x5u": "https://evil.example.com/x"}, {}),
    "jwk": ({"jwk": OTHER_RSA.as_dict(private=False)}, {}),
    "b64": ({"b64": True}, {}),
    "iat as text": ({}, {"iat": "now"}),
    "long": ({}, {"filling": "x" * 8192}),
}


@requirement("D88", "F3")
@pytest.mark.parametrize("kind", BROKEN)
async def test_an_assertion_with_something_wrong_is_refused(
    internet: Internet, app: SigningClient, refresh_token: str, kind: str
) -> None:
    header, claims = BROKEN[kind]
    before = list(internet.requests)
    refused(await present(app, refresh_token, app.assertion(header, **claims)), 401, "invalid_client")
    assert [url for url in internet.requests if url not in before] == []
    assert (await app.refresh(refresh_token)).status_code == 200, "nothing was changed"


@requirement("D88", "F2", "F3")
@pytest.mark.parametrize(
    ("claims", "accepted"),
    [
        ({"iat": 8, "nbf": 8}, True),
        ({"iat": SKEW_SECONDS + 5}, False),
        ({"nbf": 61}, False),
        ({"iat": None}, True),
        ({"exp": -5}, True),
        ({"exp": -SKEW_SECONDS - 2}, False),
        ({"exp": -300}, False),
        ({"exp": LONGEST_SECONDS}, True),
        ({"exp": LONGEST_SECONDS + SKEW_SECONDS + 5}, False),
        ({"exp": 86_400}, False),
        ({"iat": -3600}, True),
    ],
)
async def test_an_assertion_is_for_now(
    server: AuthServer, app: SigningClient, refresh_token: str, claims: dict[str, int | None], accepted: bool
) -> None:
    now = int(server.clock.now())
    moments = {name: None if value is None else now + value for name, value in claims.items()}
    response = await present(app, refresh_token, app.assertion(**moments))
    assert response.status_code == (200 if accepted else 401), response.text


@requirement("D88")
async def test_only_a_signature_of_the_clients_key_counts(
    server: AuthServer, app: SigningClient, refresh_token: str
) -> None:
    forgers = [
        signing(server, key=OTHER_RSA),
        signing(server, algorithm="RS384"),
        signing(server, key=RSA.as_pem(private=False), algorithm="HS256"),
        signing(server, key=RSA.as_der(private=False), algorithm="HS256"),
        signing(server, key=str(RSA.as_dict(private=False)["n"]).encode(), algorithm="HS256"),
        signing(server, key=b"", algorithm="none"),
    ]
    for forger in forgers:
        for kid in ("rsa", None):
            forged = forger.assertion({"kid": kid})
            refused(await present(app, refresh_token, forged), 401, "invalid_client")
    head, body, signature = app.assertion().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "jti": "x"}).encode()).decode().rstrip("=")
    for broken in (
        f"{head}.{changed}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}.{signature[:-4]}",
        f" {head}.{body}.{signature}",
        f"{head}.{body}.{signature}=",
        "a.b.c",
        "",
        "x" * 9000,
    ):
        response = await present(app, refresh_token, broken)
        assert response.status_code in (400, 401), response.text
        assert response.json()["error"] in ("invalid_client", "invalid_request")
    assert (await present(app, refresh_token, app.assertion({"kid": None, "typ": None}))).status_code == 200


@requirement("D79", "D88")
async def test_a_client_with_a_key_does_nothing_without_its_assertion(
    server: AuthServer, app: SigningClient, refresh_token: str
) -> None:
    without = await present(app, refresh_token, None, client_id=URL)
    refused(without, 401, "invalid_client")
    refused(await present(app, refresh_token, None, client_id=URL, client_secret="x"), 401, "invalid_client")
    basic = base64.b64encode(f"{URL.replace(':', '%3A')}:x".encode()).decode()
    answered = await app.http.post(
        "/oauth/token",
        data={"grant_type": "refresh_token", "refresh_token": refresh_token},
        headers={"Authorization": f"Basic {basic}"},
    )
    refused(answered, 401, "invalid_client")
    assert (await app.refresh(refresh_token)).status_code == 200


@requirement("D77")
async def test_one_method_at_a_time(app: SigningClient, refresh_token: str) -> None:
    two = await present(app, refresh_token, app.assertion(), client_secret="x")
    refused(two, 400, "invalid_request")
    data = {
        "grant_type": "refresh_token",
        "refresh_token": refresh_token,
        "client_assertion_type": TYPE,
        "client_assertion": app.assertion(),
    }
    basic = await app.http.post("/oauth/token", data=data, headers={"Authorization": "Basic eDp5"})
    refused(basic, 400, "invalid_request")


@requirement("D88")
async def test_the_form_must_fit_the_assertion(
    server: AuthServer, app: SigningClient, public_client: OAuthClient, refresh_token: str
) -> None:
    for form in (
        {"client_id": public_client.client_id},
        {"client_id": URL.upper()},
        {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
        {"client_assertion_type": "x"},
    ):
        answered = await present(app, refresh_token, app.assertion(), **form)
        refused(answered, 401, "invalid_client")
    alone = await app.http.post(
        "/oauth/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": refresh_token,
            "client_assertion": app.assertion(),
        },
    )
    refused(alone, 401, "invalid_client")
    assert (await present(app, refresh_token, app.assertion(), client_id=URL)).status_code == 200


@requirement("D88")
@pytest.mark.parametrize("method", ["none", "client_secret_post"])
async def test_a_client_without_a_key_cannot_sign(server: AuthServer, browser: Browser, method: str) -> None:
    client = await server.registered(token_endpoint_auth_method=method, jwks=public(RSA))
    tokens = await client.tokens(browser)
    signer = signing(server, client_id=client.client_id)
    refused(await present(client, tokens["refresh_token"], signer.assertion()), 401, "invalid_client")


@requirement("D88")
async def test_another_clients_assertion_opens_nothing(
    server: AuthServer, internet: Internet, app: SigningClient, refresh_token: str
) -> None:
    url = "https://evil.example.com/client.json"
    internet.publish(url, {**document(jwks=public(OTHER_RSA)), "client_id": url})
    other = signing(server, client_id=url, key=OTHER_RSA)
    await other.tokens(server.browser())
    refused(await present(other, refresh_token, other.assertion()), 400, "invalid_grant")
    refused(await present(other, refresh_token, other.assertion(iss=URL, sub=URL)), 401, "invalid_client")
    assert (await app.refresh(refresh_token)).status_code == 200


@requirement("D87")
async def test_an_assertion_works_once(server: AuthServer, app: SigningClient, refresh_token: str) -> None:
    assertion = app.assertion()
    first = await present(app, refresh_token, assertion)
    assert first.status_code == 200
    refused(await present(app, first.json()["refresh_token"], assertion), 401, "invalid_client")
    server.clock.advance(59)
    refused(await present(app, first.json()["refresh_token"], assertion), 401, "invalid_client")
    # The same jti of another client is another one.
    registered = signing(server)
    await registered.register(token_endpoint_auth_method="private_key_jwt", jwks=public(RSA))
    tokens = await registered.tokens(server.browser())
    for client, token in ((app, first.json()["refresh_token"]), (registered, tokens["refresh_token"])):
        same = client.assertion(jti="one and the same")
        assert (await present(client, token, same)).status_code == 200


@requirement("D87")
async def test_an_assertion_at_four_replicas_at_once_works_once(
    open_server: OpenServer, internet: Internet, server: AuthServer
) -> None:
    app = signing(server)
    await app.register(token_endpoint_auth_method="private_key_jwt", jwks=public(RSA))
    tokens = await app.tokens(server.browser())
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(open_server()) for _ in range(4)]
        visitors = [replica.visitor() for replica in replicas]
        for _ in range(6):
            form = {
                "token": tokens["access_token"],
                "client_assertion_type": TYPE,
                "client_assertion": app.assertion(),
            }
            asked = [visitor.post("/oauth/introspect", data=form) for visitor in visitors]
            answers = await asyncio.gather(*asked)
            assert sorted(each.status_code for each in answers) == [200, 401, 401, 401]


async def test_what_does_not_verify_uses_nothing_up(app: SigningClient, refresh_token: str) -> None:
    assertion = app.assertion()
    head, body, _ = assertion.split(".")
    forged = await present(app, refresh_token, f"{head}.{body}.{'A' * 342}")
    refused(forged, 401, "invalid_client")
    assert (await present(app, refresh_token, assertion)).status_code == 200


async def test_wrong_assertions_are_counted_and_the_right_one_never_waits(
    server: AuthServer, app: SigningClient, refresh_token: str
) -> None:
    forger = signing(server, key=OTHER_RSA)
    statuses = [(await present(app, refresh_token, forger.assertion())).status_code for _ in range(25)]
    assert statuses[:20] == [401] * 20
    assert 429 in statuses[20:]
    assert (await app.refresh(refresh_token)).status_code == 200


async def test_a_new_key_is_found_and_a_withdrawn_one_is_not_used(
    server: AuthServer, internet: Internet, app: SigningClient, refresh_token: str
) -> None:
    new_key = RSAKey.generate_key(2048, {"kid": "new"})
    internet.publish(JWKS_URI, public(new_key))
    newer = signing(server, key=new_key)
    server.clock.advance(PAUSE_SECONDS + 1)
    first = await present(app, refresh_token, newer.assertion())
    assert first.status_code == 200
    refused(await present(app, first.json()["refresh_token"], app.assertion()), 401, "invalid_client")
    # Without a new kid to ask for, withdrawal takes effect after a while.
    internet.publish(JWKS_URI, public(EC))
    server.clock.advance(FRESH_SECONDS + 1)
    refused(await present(app, first.json()["refresh_token"], newer.assertion()), 401, "invalid_client")


async def test_unknown_keys_make_the_key_set_be_read_rarely(
    server: AuthServer, internet: Internet, app: SigningClient, refresh_token: str
) -> None:
    before = internet.requests.count(JWKS_URI)
    server.clock.advance(PAUSE_SECONDS + 1)
    for number in range(12):
        await present(app, refresh_token, app.assertion({"kid": f"unknown-{number}"}))
    assert internet.requests.count(JWKS_URI) == before + 1


async def test_a_document_with_keys_is_read_again_as_rarely(
    server: AuthServer, internet: Internet, browser: Browser
) -> None:
    internet.publish(URL, document(jwks=public(RSA)))
    app = signing(server)
    tokens = await app.tokens(browser)
    for number in range(12):
        await present(app, tokens["refresh_token"], app.assertion({"kid": f"unknown-{number}"}))
    assert internet.requests == [URL, URL]


async def test_a_key_verifies_the_algorithm_it_is_published_for(
    server: AuthServer, internet: Internet, browser: Browser
) -> None:
    internet.publish(JWKS_URI, public(RSA, alg="RS256"))
    app = signing(server)
    tokens = await app.tokens(browser)
    other = signing(server, algorithm="PS256")
    refused(await present(other, tokens["refresh_token"], other.assertion()), 401, "invalid_client")


async def test_a_new_key_in_the_document_itself_is_found(
    server: AuthServer, internet: Internet, browser: Browser
) -> None:
    internet.publish(URL, document(jwks=public(RSA)))
    app = signing(server)
    tokens = await app.tokens(browser)
    new_key = RSAKey.generate_key(2048, {"kid": "new"})
    internet.publish(URL, document(jwks=public(new_key)))
    newer = signing(server, key=new_key)
    assert (await present(app, tokens["refresh_token"], newer.assertion())).status_code == 200


@pytest.mark.parametrize("kind", ["503", "no address"])
async def test_keys_that_cannot_be_had_are_a_fault_and_kept_ones_serve_for_a_while(
    server: AuthServer, internet: Internet, app: SigningClient, refresh_token: str, kind: str
) -> None:
    if kind == "no address":
        internet.names["keys.example.com"] = [OSError("no such name")]
    else:
        internet.answers[JWKS_URI] = answer("{}", 503)
    server.clock.advance(FRESH_SECONDS + 1)
    renewed = await app.refresh(refresh_token)
    assert renewed.status_code == 200
    server.clock.advance(STALE_SECONDS)
    answered = await app.refresh(renewed.json()["refresh_token"])
    refused(answered, 503, "temporarily_unavailable")
    internet.names.clear()
    internet.publish(JWKS_URI, public(RSA))
    assert (await app.refresh(renewed.json()["refresh_token"])).status_code == 200


@requirement("G131", "G143")
async def test_a_key_set_inside_the_network_is_not_read(
    server: AuthServer, internet: Internet, browser: Browser
) -> None:
    internet.names["keys.example.com"] = [["10.0.0.1"]]
    app = signing(server)
    await app.register(token_endpoint_auth_method="private_key_jwt", jwks_uri=JWKS_URI)
    code, pkce = await server.code(app, browser)
    refused(await app.redeem(code, pkce.verifier), 401, "invalid_client")
    assert internet.connected == []


@requirement("G132", "G133")
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({}, id="no keys"),
        pytest.param({"jwks": {"keys": []}}, id="an empty set"),
        pytest.param({"jwks": {"keys": [{"kty": "RSA"}]}}, id="no modulus"),
        pytest.param({"jwks": {"keys": ["x"]}}, id="a key that is a word"),
        pytest.param({"jwks": []}, id="a list for a set"),
        pytest.param({"jwks": {"keys": [{"kty": "RSA", "e": "AQAB", "n": "w" * 171}]}}, id="1,026 bits"),
        pytest.param({"jwks": public(RSA, use="enc")}, id="for encryption"),
        pytest.param({"jwks": public(RSA, alg="RS512")}, id="another algorithm"),
        pytest.param({"jwks": {"keys": [public(RSA)["keys"][0]] * 17}}, id="17 keys"),
        pytest.param({"jwks": {"keys": [RSA.as_dict(private=True)]}}, id="a private key"),
        pytest.param({"jwks": {"keys": [{"kty": "oct", "k": "AQAB"}]}}, id="a symmetric key"),
        pytest.param({"jwks": public(RSA), "jwks_uri": JWKS_URI}, id="a set and an address"),
        pytest.param({"jwks_uri": "http://keys.example.com/jwks.json"}, id="in the clear"),
        pytest.param({"jwks_uri": "https://10.0.0.1/jwks.json"}, id="a private address"),
        pytest.param({"jwks_uri": 7}, id="a number for an address"),
    ],
)
async def test_a_key_that_cannot_be_used_is_not_registered(server: AuthServer, keys: dict[str, Any]) -> None:
    body = {"redirect_uris": [REDIRECT_URI], "token_endpoint_auth_method": "private_key_jwt", **keys}
    answered = await server.visitor().post("/oauth/register", json=body)
    refused(answered, 400, "invalid_client_metadata")


async def test_a_key_is_not_exchanged_for_a_secret(server: AuthServer, internet: Internet) -> None:
    app = signing(server)
    registered = await app.register(token_endpoint_auth_method="private_key_jwt", jwks=public(RSA))
    bearer = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    body = {"client_id": app.client_id, "redirect_uris": [REDIRECT_URI]}
    uri = registered["registration_client_uri"]
    for method in ("none", "client_secret_basic"):
        changed = {**body, "token_endpoint_auth_method": method}
        refused(await app.http.put(uri, json=changed, headers=bearer), 400, "invalid_client_metadata")
    changed = {**body, "jwks": public(EC)}
    assert (await app.http.put(uri, json=changed, headers=bearer)).status_code == 200


async def test_chatgpt_may_name_the_token_endpoint(server: AuthServer, browser: Browser) -> None:
    url = "https://chatgpt.com/oauth/client.json"
    redirect_uri = "https://chatgpt.com/connector_platform_oauth_redirect"
    server.internet.publish("https://chatgpt.com/oauth/jwks.json", public(RSA))
    app = signing(server, client_id=url)
    app.redirect_uri = redirect_uri
    tokens = await app.tokens(browser)
    at_endpoint = app.assertion(aud=f"{ISSUER}/oauth/token")
    renewed = await present(app, tokens["refresh_token"], at_endpoint)
    assert renewed.status_code == 200
    elsewhere = app.assertion(aud="https://evil.example.com/oauth/token")
    refused(await present(app, renewed.json()["refresh_token"], elsewhere), 401, "invalid_client")


async def test_a_store_that_fails_is_a_fault_and_no_second_chance(
    app: SigningClient, refresh_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redis import exceptions

    async def fails(*_: object, **__: object) -> bool:
        raise exceptions.ConnectionError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(RedisAssertionStore, "use", fails)
        refused(await app.refresh(refresh_token), 503, "temporarily_unavailable")
    assert (await app.refresh(refresh_token)).status_code == 200
