"""Which access tokens are good (RFC 9068 section 4; RFC 8725; RFC 7519), and revocation."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.revocation import CHANNEL, deny_key
from tests.requirements import requirement
from tests.support.resource_server import (
    RESOURCE,
    OpenServer,
    Server,
    assert_invalid_token,
    first_refusal,
)
from tests.support.tokens import DROPPED, SigningKey, base64url, segment

pytestmark = pytest.mark.anyio

# --- RFC 9068 section 2.1, RFC 8725 section 3.11: the header


@requirement("H159")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
async def test_access_token_types_are_accepted_in_any_case(server: Server, typ: str) -> None:
    assert (await server.present(server.token(header={"typ": typ}))).status_code == 200


@requirement("B1", "J2", "H149", "H151", "H152", "H154", "H155", "H156", "H157", "H158", "H159", "H171")
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
    assert_invalid_token(await server.present(server.token(header=change)))
    assert all("evil" not in url for url in server.outside.fetched)
    assert (await server.present(server.token())).status_code == 200


@requirement("B1", "H153")
async def test_a_key_in_the_header_is_not_trusted(server: Server) -> None:
    own = SigningKey.generate("key-1")
    claims = server.mint.claims(server.clock.now())
    for header in (server.mint.header(jwk=own.public_jwk()), server.mint.header()):
        assert_invalid_token(await server.present(own.sign(header, claims)))


@requirement("B1", "H150")
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
        assert_invalid_token(await server.present(f"{signed}.{signature}"))


def _flip(token: str, position: int) -> str:
    return f"{token[:position]}{'A' if token[position] != 'A' else 'B'}{token[position + 1 :]}"


@requirement("H149", "H168", "E105")
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
    assert (await server.present(token)).status_code == 200
    assert_invalid_token(await server.present(mangle(token)))


# --- RFC 9068 section 4, RFC 7519 section 4.1: the claims


@requirement("J2", "C1", "H160", "H163", "H164", "H165", "H170")
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
    assert_invalid_token(await server.present(server.token(**change)))


async def test_an_audience_list_of_this_resource_alone_is_accepted(server: Server) -> None:
    assert (await server.present(server.token(aud=[RESOURCE]))).status_code == 200


@requirement("H167")
@pytest.mark.parametrize("payload", [[], "text", 1, None, b"{", b'{"a":' * 40 + b"1" + b"}" * 40])
async def test_payloads_that_are_no_object_are_refused(server: Server, payload: object) -> None:
    token = server.mint.key.sign(server.mint.header(), payload)
    assert_invalid_token(await server.present(token))


@requirement("H160")
@pytest.mark.parametrize("number", [b"1e400", b"NaN", b"1" * 5000])
async def test_numbers_that_are_none_are_refused(server: Server, number: bytes) -> None:
    claims = json.dumps(server.mint.claims(server.clock.now(), exp=0)).encode()
    payload = claims.replace(b'"exp": 0', b'"exp": ' + number)
    assert_invalid_token(await server.present(server.mint.key.sign(server.mint.header(), payload)))


@requirement("H166")
async def test_claims_that_occur_twice_are_refused(server: Server) -> None:
    claims = json.dumps(server.mint.claims(server.clock.now())).encode()
    for payload in (b'{"sub": "user-eve", ' + claims[1:], claims[:-1] + b', "scope": "write"}'):
        token = server.mint.key.sign(server.mint.header(), payload)
        assert_invalid_token(await server.present(token))


async def test_header_members_that_occur_twice_are_refused(server: Server) -> None:
    header = json.dumps(server.mint.header()).encode()[:-1] + b', "typ": "at+jwt"}'
    token = server.mint.key.sign(header, server.mint.claims(server.clock.now()))
    assert_invalid_token(await server.present(token))


@requirement("H161", "H162")
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
    assert (await server.present(server.token(**claims))).status_code == status


@requirement("O27", "C16")
async def test_an_expired_token_is_told_so_and_one_that_was_accepted_expires_too(server: Server) -> None:
    token = server.token()
    assert (await server.present(token)).status_code == 200
    server.clock.advance(3600 + 31)
    expired = await server.present(token)
    assert_invalid_token(expired)
    assert "expired" in expired.headers["www-authenticate"]
    forged = await server.present(server.token(iss="https://evil.test"))
    assert "expired" not in forged.headers["www-authenticate"]


async def test_refusals_tell_nothing_about_the_check_that_failed(server: Server) -> None:
    answers = {
        (await server.present(server.token(**change))).text
        for change in ({"aud": "https://other.test"}, {"iss": "https://evil.test"}, {"sub": 1})
    }
    assert len(answers) == 1


@requirement("I188")
async def test_unknown_scopes_in_a_token_open_nothing_and_break_nothing(server: Server) -> None:
    client = server.client(scope="vals:readx VALS:READ vals offline_access")
    assert await client.list_tools() == ["whoami"]


# --- Revocation: pushed, checked locally, never guessed


@requirement("H173")
@pytest.mark.parametrize("token_id", [None, "token-1"])
async def test_a_revoked_token_is_refused_even_when_it_was_accepted_before(
    server: Server, token_id: str | None
) -> None:
    token = server.token()
    assert (await server.present(token)).status_code == 200
    entry = deny_key("grant-1", token_id).removeprefix("vt:deny:").replace("{", "").replace("}", "")
    await server.redis.publish(CHANNEL, f"deny {entry} 3600")
    assert_invalid_token(await first_refusal(server, token))
    assert (await server.present(server.token(gid="grant-2", jti="token-2"))).status_code == 200


async def test_a_replica_that_cannot_prove_its_list_answers_503_never_401(open_server: OpenServer) -> None:
    # What nobody has begun to use has no revocations, and no proof that there are none.
    async with open_server(ready=False, claimed=False) as server:
        response = await server.present(server.token())
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert response.json()["jsonrpc"] == "2.0"
        assert "www-authenticate" not in response.headers
        forged = await server.present(server.token(iss="https://evil.test"))
        assert forged.status_code in (401, 503)
        assert (await server.http.get("/healthz")).status_code == 200
        assert (await server.http.get("/readyz")).status_code == 503
