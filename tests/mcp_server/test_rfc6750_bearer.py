"""Bearer tokens at the resource (RFC 6750; OAuth 2.1 section 5; RFC 9068 section 4; RFC 8725)."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.revocation import CHANNEL, deny_key
from tests.mcp_server.conftest import RESOURCE, OpenServer, Server
from tests.support.mcp_client import McpClient
from tests.support.tokens import DROPPED, SigningKey, base64url, segment

pytestmark = pytest.mark.anyio

METADATA_URL = "https://mcp.test/.well-known/oauth-protected-resource/mcp"


async def _list(server: Server, authorization: str, **headers: str) -> httpx.Response:
    client = McpClient(server.http, headers={"Authorization": authorization})
    return await client.modern("tools/list", **headers)


async def _with_token(server: Server, token: str) -> httpx.Response:
    return await _list(server, f"Bearer {token}")


def _assert_invalid_token(response: httpx.Response) -> None:
    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="invalid_token"' in challenge
    assert f'resource_metadata="{METADATA_URL}"' in challenge


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_scheme_is_case_insensitive(server: Server, scheme: str) -> None:
    assert (await _list(server, f"{scheme} {server.token()}")).status_code == 200


async def test_no_credentials_get_a_challenge_without_error(server: Server) -> None:
    response = await McpClient(server.http).modern("tools/list")
    assert response.status_code == 401
    challenge = response.headers["www-authenticate"]
    assert challenge == f'Bearer resource_metadata="{METADATA_URL}", scope="read"'
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["initialize", "server/discover", "ping", "tools/list", "tools/call", "x"])
async def test_every_method_needs_a_credential(server: Server, method: str) -> None:
    assert (await McpClient(server.http).modern(method)).status_code == 401


async def test_the_credential_comes_before_everything_else(server: Server) -> None:
    response = await server.http.post("/mcp", content=b"{", headers={"Origin": "https://evil.test"})
    assert response.status_code == 401


async def test_a_connection_is_not_a_credential(server: Server) -> None:
    assert (await server.client().modern("tools/list")).status_code == 200
    assert (await McpClient(server.http).modern("tools/list")).status_code == 401


async def test_the_challenge_does_not_follow_the_host_header(server: Server) -> None:
    headers = {"Host": "evil.test", "X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http"}
    response = await server.http.post("/mcp", headers=headers)
    assert METADATA_URL in response.headers["www-authenticate"]
    assert "evil" not in response.headers["www-authenticate"]


async def test_a_token_in_query_or_cookie_is_no_credential(server: Server) -> None:
    token = server.token()
    for request in (
        {"params": {"access_token": token}},
        {"headers": {"Cookie": f"access_token={token}"}},
        {"data": {"access_token": token}},
    ):
        response = await server.http.post("/mcp", **request)  # type: ignore[arg-type]
        assert response.status_code == 401
        assert "error=" not in response.headers["www-authenticate"]


async def test_more_than_one_credential_is_an_invalid_request(server: Server) -> None:
    bearer = f"Bearer {server.token()}"
    content = {"Content-Type": "application/json"}
    for response in (
        await server.http.post("/mcp?access_token=x", headers={"Authorization": bearer, **content}),
        await server.http.post("/mcp", headers=[("Authorization", bearer), ("Authorization", bearer)]),
        await server.http.post("/mcp", headers={"Authorization": bearer, "X-Val-Town-Token": "t"}),
    ):
        assert response.status_code == 400
        assert 'error="invalid_request"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("credentials", ["a b", "a, Bearer b", "a\tb", "ä", "a=b"])
async def test_a_malformed_header_is_an_invalid_request(server: Server, credentials: str) -> None:
    headers = [(b"Authorization", f"Bearer {credentials}".encode("latin-1"))]
    response = await server.http.post("/mcp", headers=headers)
    assert response.status_code == 400


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "Basic dTpw", "DPoP x", ""])
async def test_other_schemes_and_empty_tokens_are_no_credential(server: Server, authorization: str) -> None:
    response = await _list(server, authorization)
    assert response.status_code == 401
    assert "error=" not in response.headers["www-authenticate"]


async def test_headers_beyond_any_need_are_431(server: Server) -> None:
    assert (await _list(server, "Bearer " + "a" * 70_000)).status_code == 431


# --- RFC 9068 section 2.1, RFC 8725 section 3.11: the header


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
async def test_access_token_types_are_accepted_in_any_case(server: Server, typ: str) -> None:
    assert (await _with_token(server, server.token(header={"typ": typ}))).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"typ": DROPPED},
        {"typ": "JWT"},
        {"typ": "id+jwt"},
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": ["at+jwt"]},
        {"alg": DROPPED},
        {"alg": None},
        {"alg": "none"},
        {"alg": "nOnE"},
        {"alg": "HS256"},
        {"alg": "PS256"},
        {"alg": "RS384"},
        {"alg": "RS512"},
        {"alg": "ES256"},
        {"alg": "EdDSA"},
        {"kid": DROPPED},
        {"kid": "unknown"},
        {"kid": ""},
        {"kid": "../../dev/null"},
        {"kid": "' OR 1=1 --"},
        {"kid": "k" * 5000},
        {"kid": ["key-1"]},
        {"kid": 1},
        {"kid": None},
        {"kid": "__proto__"},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"b64": False},
        {"zip": "DEF"},
        {"jku": "https://evil.test/jwks.json"},
        {"x5u": "https://evil.test/cert.pem"},
        {"x5c": ["MIIB"]},
        {"cty": "JWT"},
    ],
)
async def test_headers_that_are_not_those_of_our_tokens_are_refused(
    server: Server, change: dict[str, Any]
) -> None:
    _assert_invalid_token(await _with_token(server, server.token(header=change)))
    assert all("evil" not in url for url in server.outside.fetched)
    assert (await _with_token(server, server.token())).status_code == 200


async def test_a_key_in_the_header_is_not_trusted(server: Server) -> None:
    own = SigningKey.generate("key-1")
    claims = server.mint.claims(server.clock.now())
    for header in (server.mint.header(jwk=own.public_jwk()), server.mint.header()):
        _assert_invalid_token(await _with_token(server, own.sign(header, claims)))


async def test_the_public_key_is_no_hmac_secret(server: Server, signing_key: SigningKey) -> None:
    public = signing_key.private_key.public_key()
    secrets = (
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(signing_key.public_jwk()).encode(),
    )
    header = segment(server.mint.header(alg="HS256"))
    signed = f"{header}.{segment(server.mint.claims(server.clock.now()))}"
    for secret in secrets:
        signature = base64url(hmac.digest(secret, signed.encode(), sha256))
        _assert_invalid_token(await _with_token(server, f"{signed}.{signature}"))


def _flip(token: str, position: int) -> str:
    return f"{token[:position]}{'A' if token[position] != 'A' else 'B'}{token[position + 1 :]}"


@pytest.mark.parametrize(
    "mangle",
    [
        lambda token: token.rsplit(".", 1)[0] + ".",
        lambda token: token.rsplit(".", 1)[0],
        lambda token: token + ".x",
        lambda token: token + ".x.y",
        lambda token: _flip(token, len(token) - 20),
        lambda token: _flip(token, token.index(".") + 5),
        lambda token: token[:-4],
        lambda token: token + "AAAA",
        lambda token: token + "=",
        lambda token: token[:-1] + ("B" if token[-1] == "A" else chr(ord(token[-1]) + 1)),
        lambda token: token.replace(".", "..", 1),
        lambda token: "vtr_refresh-token-of-somebody",
        lambda token: "a" * 20_000,
        lambda token: "a.b.c",
        lambda token: "..",
    ],
)
async def test_mangled_tokens_are_refused(server: Server, mangle: Callable[[str], str]) -> None:
    token = server.token()
    assert (await _with_token(server, token)).status_code == 200
    _assert_invalid_token(await _with_token(server, mangle(token)))


# --- RFC 9068 section 4, RFC 7519 section 4.1: the claims


@pytest.mark.parametrize(
    "change",
    [
        {"iss": DROPPED},
        {"iss": "https://auth.test/"},
        {"iss": "https://auth.test.evil"},
        {"iss": "https://auth.tes"},
        {"iss": ["https://auth.test"]},
        {"aud": DROPPED},
        {"aud": "https://mcp.test"},
        {"aud": f"{RESOURCE}/"},
        {"aud": f"{RESOURCE}.evil"},
        {"aud": "https://MCP.test/mcp"},
        {"aud": []},
        {"aud": [RESOURCE, "https://other.test"]},
        {"aud": ["https://other.test", RESOURCE]},
        {"aud": [RESOURCE, RESOURCE]},
        {"aud": {"value": RESOURCE}},
        {"sub": DROPPED},
        {"sub": ""},
        {"sub": 7},
        {"client_id": DROPPED},
        {"client_id": ""},
        {"jti": DROPPED},
        {"jti": None},
        {"gid": DROPPED},
        {"gid": ["grant-1"]},
        {"scope": DROPPED},
        {"scope": ["read"]},
        {"exp": DROPPED},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": 9999999999.5},
        {"exp": -1},
        {"exp": 10**18},
        {"iat": DROPPED},
        {"iat": "0"},
        {"iat": 0},
        {"nbf": "0"},
    ],
)
async def test_claims_that_are_missing_or_wrong_are_refused(server: Server, change: dict[str, Any]) -> None:
    _assert_invalid_token(await _with_token(server, server.token(**change)))


async def test_an_audience_list_of_this_resource_alone_is_accepted(server: Server) -> None:
    assert (await _with_token(server, server.token(aud=[RESOURCE]))).status_code == 200


@pytest.mark.parametrize("payload", [[], "text", 1, None, b"{", b'{"a":' * 40 + b"1" + b"}" * 40])
async def test_payloads_that_are_no_object_are_refused(server: Server, payload: object) -> None:
    token = server.mint.key.sign(server.mint.header(), payload)
    _assert_invalid_token(await _with_token(server, token))


@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"1" * 5000])
async def test_numbers_that_are_none_are_refused(server: Server, number: bytes) -> None:
    claims = json.dumps(server.mint.claims(server.clock.now(), exp=0)).encode()
    payload = claims.replace(b'"exp": 0', b'"exp": ' + number)
    _assert_invalid_token(await _with_token(server, server.mint.key.sign(server.mint.header(), payload)))


async def test_claims_that_occur_twice_are_refused(server: Server) -> None:
    claims = json.dumps(server.mint.claims(server.clock.now())).encode()
    for payload in (b'{"sub": "user-eve", ' + claims[1:], claims[:-1] + b', "scope": "write"}'):
        token = server.mint.key.sign(server.mint.header(), payload)
        _assert_invalid_token(await _with_token(server, token))


async def test_header_members_that_occur_twice_are_refused(server: Server) -> None:
    header = json.dumps(server.mint.header()).encode()[:-1] + b', "typ": "at+jwt"}'
    token = server.mint.key.sign(header, server.mint.claims(server.clock.now()))
    _assert_invalid_token(await _with_token(server, token))


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"exp": -29}, 200),
        ({"exp": -31}, 401),
        ({"iat": 29}, 200),
        ({"iat": 32}, 401),
        ({"nbf": 29}, 200),
        ({"nbf": 32}, 401),
        ({"exp": 86_000}, 200),
        ({"exp": 86_402}, 401),
    ],
)
async def test_clocks_may_differ_by_thirty_seconds_and_no_token_lives_longer_than_a_day(
    server: Server, change: dict[str, int], status: int
) -> None:
    now = server.clock.now()
    claims = {name: int(now) + seconds for name, seconds in change.items()}
    if change.get("exp", 0) < 0:
        claims["iat"] = int(now) - 3600
    assert (await _with_token(server, server.token(**claims))).status_code == status


async def test_an_expired_token_is_told_so_and_one_that_was_accepted_expires_too(server: Server) -> None:
    token = server.token()
    assert (await _with_token(server, token)).status_code == 200
    server.clock.advance(3600 + 31)
    expired = await _with_token(server, token)
    _assert_invalid_token(expired)
    assert "expired" in expired.headers["www-authenticate"]
    forged = await _with_token(server, server.token(iss="https://evil.test"))
    assert "expired" not in forged.headers["www-authenticate"]


async def test_refusals_tell_nothing_about_the_check_that_failed(server: Server) -> None:
    answers = {
        (await _with_token(server, server.token(**change))).text
        for change in ({"aud": "https://other.test"}, {"iss": "https://evil.test"}, {"sub": 1})
    }
    assert len(answers) == 1


async def test_unknown_scopes_in_a_token_open_nothing_and_break_nothing(server: Server) -> None:
    client = server.client(scope="vals:readx VALS:READ vals offline_access")
    assert await client.list_tools() == ["whoami"]


# --- Revocation: pushed, checked locally, never guessed


@pytest.mark.parametrize("token_id", [None, "token-1"])
async def test_a_revoked_token_is_refused_even_when_it_was_accepted_before(
    server: Server, token_id: str | None
) -> None:
    token = server.token()
    assert (await _with_token(server, token)).status_code == 200
    entry = deny_key("grant-1", token_id).removeprefix("vt:deny:").replace("{", "").replace("}", "")
    await server.redis.publish(CHANNEL, f"deny {entry} 3600")
    while (response := await _with_token(server, token)).status_code == 200:
        pass
    _assert_invalid_token(response)
    assert (await _with_token(server, server.token(gid="grant-2", jti="token-2"))).status_code == 200


async def test_a_replica_that_cannot_prove_its_list_answers_503_never_401(open_server: OpenServer) -> None:
    async with open_server(ready=False) as server:
        await server.redis.aclose()
        response = await _with_token(server, server.token())
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["jsonrpc"] == "2.0"
        assert "www-authenticate" not in response.headers
        forged = await _with_token(server, server.token(iss="https://evil.test"))
        assert forged.status_code in (401, 503)
        assert (await server.http.get("/healthz")).status_code == 200
        assert (await server.http.get("/readyz")).status_code == 503


# --- The issuer's keys


def _fetches(server: Server) -> int:
    return sum(url.endswith("/.well-known/jwks.json") for url in server.outside.fetched)


async def test_a_new_key_is_fetched_when_a_token_names_it(server: Server) -> None:
    second = SigningKey.generate("key-2")
    server.outside.keys.append(second.public_jwk())
    server.clock.advance(31)
    token = second.sign(server.mint.header(kid="key-2"), server.mint.claims(server.clock.now()))
    assert (await _with_token(server, token)).status_code == 200
    assert (await _with_token(server, server.token())).status_code == 200


async def test_a_flood_of_unknown_keys_costs_one_fetch_a_cooldown(server: Server) -> None:
    before = _fetches(server)
    for number in range(200):
        _assert_invalid_token(await _with_token(server, server.token(header={"kid": f"k{number}"})))
    assert _fetches(server) == before
    server.clock.advance(31)
    for number in range(200):
        await _with_token(server, server.token(header={"kid": f"k{number}"}))
    assert _fetches(server) == before + 1
    assert (await _with_token(server, server.token())).status_code == 200


async def test_tokens_keep_working_while_the_issuer_is_down(server: Server) -> None:
    server.outside.issuer_down = True
    for _ in range(3):
        server.clock.advance(400)
        assert (await _with_token(server, server.token())).status_code == 200
    assert (await server.http.get("/.well-known/oauth-protected-resource")).status_code == 200


async def test_keys_are_not_trusted_for_ever_without_the_issuer(server: Server) -> None:
    server.outside.issuer_down = True
    server.clock.advance(86_401)
    response = await _with_token(server, server.token())
    assert response.status_code == 503
    server.outside.issuer_down = False
    server.clock.advance(31)
    assert (await _with_token(server, server.token())).status_code == 200


async def test_a_token_with_a_new_key_is_503_while_the_issuer_is_down(server: Server) -> None:
    second = SigningKey.generate("key-2")
    token = second.sign(server.mint.header(kid="key-2"), server.mint.claims(server.clock.now()))
    server.outside.issuer_down = True
    server.clock.advance(31)
    assert (await _with_token(server, token)).status_code == 503


async def test_a_cold_start_without_keys_is_503_and_recovers(open_server: OpenServer) -> None:
    async with open_server(ready=False) as server:
        server.outside.issuer_down = True
        response = await _with_token(server, server.token())
        assert response.status_code == 503
        assert (await server.http.get("/readyz")).status_code == 503


async def test_a_withdrawn_key_is_refused_after_the_next_read(server: Server) -> None:
    token = server.token()
    assert (await _with_token(server, token)).status_code == 200
    server.outside.keys[:] = [SigningKey.generate("key-2").public_jwk()]
    server.clock.advance(301)
    while (response := await _with_token(server, token)).status_code == 200:
        pass
    _assert_invalid_token(response)


def _bad_key_sets() -> list[Callable[[Server], httpx.Response]]:
    def keys(entries: Callable[[Server], list[Any]]) -> Callable[[Server], httpx.Response]:
        return lambda server: httpx.Response(200, json={"keys": entries(server)})

    return [
        keys(lambda server: []),
        keys(lambda server: ["x"]),
        keys(lambda server: [server.mint.key.private_jwk()]),
        keys(lambda server: [server.mint.key.public_jwk()] * 2),
        keys(lambda server: [{**server.mint.key.public_jwk(), "kid": f"k{n}"} for n in range(21)]),
        keys(lambda server: [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}]),
        keys(lambda server: [{**server.mint.key.public_jwk(), "use": "enc"}]),
        keys(lambda server: [SigningKey.generate("small", bits=1024).public_jwk()]),
        lambda server: httpx.Response(500),
        lambda server: httpx.Response(302, headers={"Location": "https://evil.test/jwks.json"}),
        lambda server: httpx.Response(200, text="<html>"),
        lambda server: httpx.Response(200, content=b'{"keys": ['),
        lambda server: httpx.Response(200, json=[]),
        lambda server: httpx.Response(200, content=b" " * 70_000),
        lambda server: httpx.Response(200, content=b'{"keys": [], "keys": []}'),
    ]


@pytest.mark.parametrize("key_set", _bad_key_sets())
async def test_good_keys_are_never_replaced_by_a_bad_set(
    server: Server, key_set: Callable[[Server], httpx.Response]
) -> None:
    server.outside.key_set = lambda: key_set(server)
    server.clock.advance(31)
    before = _fetches(server)
    await _with_token(server, server.token(header={"kid": "unknown"}))
    assert _fetches(server) == before + 1
    assert all("evil" not in url for url in server.outside.fetched)
    assert (await _with_token(server, server.token())).status_code == 200
