"""Access tokens that were made here are read back; anything else is none (RFC 9068)."""

import json
import time
from dataclasses import replace

import pytest
from joserfc import jwt

from auth_server.domain.signing_keys import (
    KeyPair,
    KeyRecord,
    Keyring,
    KeyState,
    SigningKey,
    generate_key,
)
from auth_server.domain.token_issuer import MAX_TOKEN_LENGTH, RefreshToken, TokenIssuer, VerifiedAccessToken
from auth_server.models import Grant
from shared.clock import Clock
from shared.oauth.signatures import REGISTRY
from shared.sealing import Sealer

PAIR = generate_key("ES256")
GRANT = Grant(
    grant_id="A" * 22,
    client_id="client_a",
    subject="subject",
    username="ada",
    scopes=("read",),
    resource="https://mcp.test/mcp",
)


def ring_of(pair: KeyPair) -> Keyring:
    ring = Keyring()
    ring.replace([SigningKey(pair, KeyRecord(pair.kid, pair.algorithm, KeyState.ACTIVE, published_at=0))])
    return ring


def issuer_with(ring: Keyring) -> TokenIssuer:
    return TokenIssuer(
        issuer="https://auth.test", lifetime=600, keyring=ring, sealer=Sealer(b"k" * 32), clock=Clock()
    )


@pytest.fixture
def issuer() -> TokenIssuer:
    # Made anew each time: a ring signs only for some seconds after the last look at the store.
    return issuer_with(ring_of(PAIR))


REFRESH = RefreshToken("vtr_value", GRANT.grant_id, 1)


def token(**claims: object) -> str:
    header = {"alg": "ES256", "kid": PAIR.kid, "typ": "at+jwt"}
    right = {"iss": "https://auth.test", "gid": "g", "jti": "j", "client_id": "c", "iat": 4, "exp": 5}
    right |= {"sub": "s", "aud": "a", "scope": "read"}
    given = {name: value for name, value in {**right, **claims}.items() if value is not None}
    return jwt.encode(header, given, PAIR.key, registry=REGISTRY)


def test_an_access_token_says_who_may_do_what_where_and_until_when(issuer: TokenIssuer) -> None:
    response = issuer.respond(GRANT, ["read"], REFRESH)
    assert json.loads(response.to_json()) == {
        "access_token": response.access_token,
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "read",
        "refresh_token": "vtr_value",
    }
    read = jwt.decode(response.access_token, PAIR.key, registry=REGISTRY)
    assert read.header == {"alg": "ES256", "kid": PAIR.kid, "typ": "at+jwt"}
    issued_at = read.claims["iat"]
    assert abs(issued_at - time.time()) < 600
    assert read.claims == {
        "iss": "https://auth.test",
        "sub": "subject",
        "aud": "https://mcp.test/mcp",
        "client_id": "client_a",
        "scope": "read",
        "iat": issued_at,
        "exp": issued_at + 600,
        "jti": read.claims["jti"],
        "gid": GRANT.grant_id,
    }
    assert len(read.claims["jti"]) == 22


def test_a_response_without_a_refresh_token_has_no_such_member(issuer: TokenIssuer) -> None:
    assert "refresh_token" not in json.loads(issuer.respond(GRANT, ["read"], None).to_json())


def test_an_access_token_is_read_back_also_when_it_has_expired(issuer: TokenIssuer) -> None:
    read = issuer.read_access_token(token())
    assert read == VerifiedAccessToken(
        grant_id="g",
        token_id="j",
        client_id="c",
        subject="s",
        audience="a",
        scope="read",
        issued_at=4,
        expires_at=5,
        version=0,
    )


@pytest.mark.parametrize("claim", ["iss", "gid", "jti", "client_id", "sub", "aud", "scope", "iat", "exp"])
def test_without_one_of_its_claims_it_is_none(issuer: TokenIssuer, claim: str) -> None:
    assert issuer.read_access_token(token(**{claim: None})) is None


def test_what_is_not_an_access_token_of_this_issuer_is_none(issuer: TokenIssuer) -> None:
    other = issuer_with(ring_of(generate_key("ES256")))
    # The key itself would do: its record says which algorithm it is for.
    confused = issuer_with(ring_of(replace(PAIR, algorithm="RS256")))
    plain = jwt.encode(
        {"alg": "ES256", "kid": PAIR.kid, "typ": "JWT"}, {"iss": "https://auth.test"}, PAIR.key
    )
    for value in (
        "",
        "a.b",
        "a.b.c",
        token() + ".d",
        token()[:-4] + "AAAA",
        plain,
        token(iss="https://else"),
    ):
        assert issuer.read_access_token(value) is None
    assert other.read_access_token(token()) is confused.read_access_token(token()) is None


def padded(length: int) -> str:
    """Return a good token of a given length, or of one character less."""
    size = length // 2
    while len(made := token(pad="p" * size)) < length - 1:
        size += max(1, (length - 1 - len(made)) * 3 // 4 - 1)
    return made


def test_a_token_is_read_up_to_its_greatest_length(issuer: TokenIssuer) -> None:
    longest = padded(MAX_TOKEN_LENGTH)
    assert MAX_TOKEN_LENGTH - 1 <= len(longest) <= MAX_TOKEN_LENGTH
    assert issuer.read_access_token(longest) is not None
    assert issuer.read_access_token(padded(MAX_TOKEN_LENGTH + 2)) is None


def test_a_token_of_a_key_that_is_not_in_the_ring_is_told_apart(issuer: TokenIssuer) -> None:
    other = issuer_with(ring_of(generate_key("ES256")))
    assert other.names_unknown_key(token())
    assert not issuer.names_unknown_key(token())
    plain = jwt.encode({"alg": "ES256", "kid": PAIR.kid, "typ": "JWT"}, {}, PAIR.key)
    unnamed = jwt.encode({"alg": "ES256", "typ": "at+jwt"}, {}, PAIR.key)
    for value in ("", "a.b", "a.b.c", token() + ".d", plain, unnamed, token() + "A" * MAX_TOKEN_LENGTH):
        assert not other.names_unknown_key(value)


def test_a_token_is_looked_at_for_an_unknown_key_up_to_its_greatest_length() -> None:
    other = issuer_with(ring_of(generate_key("ES256")))
    header = token().partition(".")[0]
    assert other.names_unknown_key(f"{header}..".ljust(MAX_TOKEN_LENGTH, "A"))
    assert not other.names_unknown_key(f"{header}..".ljust(MAX_TOKEN_LENGTH + 1, "A"))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_token_of_each_algorithm_is_read_back(algorithm: str) -> None:
    issuer = issuer_with(ring_of(generate_key(algorithm)))
    read = issuer.read_access_token(issuer.respond(GRANT, ["read"], None).access_token)
    assert read is not None
    assert (read.grant_id, read.subject, read.scope) == (GRANT.grant_id, "subject", "read")
