"""The issuer's keys as the resource server caches them (RFC 7517; RFC 9068 section 4)."""

import json
from collections.abc import Callable

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey
from redis.asyncio import Redis

from shared.revocation import CHANNEL, deny_key, signing_key_entry
from tests.requirements import requirement
from tests.support.resource_server import (
    OpenServer,
    Server,
    assert_invalid_token,
    first_refusal,
    streamed,
    until_ready,
)
from tests.support.tokens import SigningKey
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


def _fetches(server: Server) -> int:
    return sum(url.endswith("/.well-known/jwks.json") for url in server.outside.fetched)


async def test_a_new_key_is_fetched_when_a_token_names_it(server: Server, second_key: SigningKey) -> None:
    server.outside.keys.append(second_key.public_jwk())
    server.clock.advance(31)
    token = second_key.sign(server.mint.header(kid="key-2"), server.mint.claims(server.clock.now()))
    assert (await server.present(token)).status_code == 200
    assert (await server.present(server.token())).status_code == 200


async def test_a_flood_of_unknown_keys_costs_one_fetch_a_cooldown(server: Server) -> None:
    before = _fetches(server)
    for number in range(200):
        assert_invalid_token(await server.present(server.token(header={"kid": f"k{number}"})))
    assert _fetches(server) == before
    server.clock.advance(31)
    for number in range(200):
        await server.present(server.token(header={"kid": f"k{number}"}))
    assert _fetches(server) == before + 1
    assert (await server.present(server.token())).status_code == 200


async def test_tokens_keep_working_while_the_issuer_is_down(server: Server) -> None:
    server.outside.issuer_down = True
    for _ in range(3):
        server.clock.advance(400)
        assert (await server.present(server.token())).status_code == 200
    assert (await server.http.get("/.well-known/oauth-protected-resource")).status_code == 200


async def test_keys_are_not_trusted_for_ever_without_the_issuer(server: Server) -> None:
    server.outside.issuer_down = True
    server.clock.advance(86_401)
    response = await server.present(server.token())
    assert response.status_code == 503
    server.outside.issuer_down = False
    server.clock.advance(31)
    assert (await server.present(server.token())).status_code == 200


async def test_a_token_with_a_new_key_is_503_while_the_issuer_is_down(
    server: Server, second_key: SigningKey
) -> None:
    token = second_key.sign(server.mint.header(kid="key-2"), server.mint.claims(server.clock.now()))
    server.outside.issuer_down = True
    server.clock.advance(31)
    assert (await server.present(token)).status_code == 503


async def test_a_cold_start_without_keys_is_503_and_recovers(open_server: OpenServer) -> None:
    async with open_server(ready=False) as server:
        server.outside.issuer_down = True
        response = await server.present(server.token())
        assert response.status_code == 503
        assert (await server.http.get("/readyz")).status_code == 503
        server.outside.issuer_down = False
        server.clock.advance(2)
        await until_ready(server.http)
        assert (await server.present(server.token())).status_code == 200


@requirement("H172")
async def test_a_withdrawn_key_is_refused_after_the_next_read(server: Server, second_key: SigningKey) -> None:
    token = server.token()
    assert (await server.present(token)).status_code == 200
    server.outside.keys[:] = [second_key.public_jwk()]
    server.clock.advance(301)
    assert_invalid_token(await first_refusal(server, token))


def _keys(*entries: object) -> bytes:
    return json.dumps({"keys": entries}).encode()


# Each would bring in the second key, if it were not for one fault.
_BAD_SETS: dict[str, Callable[[SigningKey], httpx.Response]] = {
    "an entry that is no object": lambda key: streamed(200, _keys("x", key.public_jwk())),
    "a private key": lambda key: streamed(200, _keys(key.private_jwk())),
    "two keys of one kid": lambda key: streamed(200, _keys(key.public_jwk(), key.public_jwk())),
    "too many keys": lambda key: streamed(
        200, _keys(key.public_jwk(), *({**key.public_jwk(), "kid": f"k{n}"} for n in range(64)))
    ),
    "a key for encryption": lambda key: streamed(200, _keys({**key.public_jwk(), "use": "enc"})),
    "another algorithm": lambda key: streamed(200, _keys({**key.public_jwk(), "alg": "RS512"})),
    "a server error": lambda key: streamed(500, _keys(key.public_jwk())),
    "a redirect": lambda key: streamed(302, b"", {"Location": "https://evil.test/jwks.json"}),
    "a compressed answer": lambda key: streamed(200, _keys(key.public_jwk()), {"Content-Encoding": "gzip"}),
    "no JSON": lambda key: streamed(200, b"<html>"),
    "half an answer": lambda key: streamed(200, _keys(key.public_jwk())[:-1]),
    "no object": lambda key: streamed(200, b"[]"),
    "no keys": lambda key: streamed(200, _keys()),
    "a secret": lambda key: streamed(200, _keys({"kty": "oct", "kid": "key-2", "k": "c2VjcmV0"})),
    "too many bytes": lambda key: streamed(200, _keys(key.public_jwk()) + b" " * 66_000),
    "a member twice": lambda key: streamed(200, b'{"keys": [], ' + _keys(key.public_jwk())[1:]),
}


async def _refuses_second_key(server: Server, second: SigningKey, answer: httpx.Response) -> None:
    server.outside.key_set = lambda: answer
    server.clock.advance(31)
    before = _fetches(server)
    claims = server.mint.claims(server.clock.now())
    refused = await server.present(second.sign(server.mint.header(kid="key-2"), claims))
    assert refused.status_code == 503
    assert _fetches(server) == before + 1
    assert all("evil" not in url for url in server.outside.fetched)
    assert (await server.present(server.token(jti="another"))).status_code == 200


@requirement("R3", "B1")
@pytest.mark.parametrize("fault", _BAD_SETS)
async def test_good_keys_are_never_replaced_by_a_bad_set(
    server: Server, second_key: SigningKey, fault: str
) -> None:
    await _refuses_second_key(server, second_key, _BAD_SETS[fault](second_key))


@requirement("B1")
async def test_a_key_that_is_too_short_is_not_used(server: Server) -> None:
    short = SigningKey.generate("key-2", bits=1024)
    await _refuses_second_key(server, short, streamed(200, _keys(short.public_jwk())))


@requirement("B1")
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(("alg", "make"), [("ES256", ECKey.generate_key), ("EdDSA", OKPKey.generate_key)])
async def test_elliptic_keys_verify_when_the_key_set_says_so(
    server: Server, alg: str, make: Callable[..., ECKey | OKPKey]
) -> None:
    curve = {"ES256": "P-256", "EdDSA": "Ed25519"}[alg]
    key = make(curve)
    server.outside.keys.append({**key.as_dict(private=False), "kid": "key-2", "alg": alg})
    server.clock.advance(31)
    claims = json.dumps(server.mint.claims(server.clock.now()))
    header = server.mint.header(kid="key-2", alg=alg)
    token = jws.serialize_compact(header, claims, key, algorithms=[alg])
    assert (await server.present(token)).status_code == 200
    as_rs256 = server.token(header={"kid": "key-2"})
    assert_invalid_token(await server.present(as_rs256))


async def test_keys_of_other_kinds_beside_ours_do_no_harm(server: Server, second_key: SigningKey) -> None:
    other = {"kty": "EC", "crv": "P-521", "kid": "key-3", "x": "AA", "y": "AA"}
    server.outside.keys[:] = [other, second_key.public_jwk(), {"kty": "new"}]
    server.clock.advance(31)
    claims = server.mint.claims(server.clock.now())
    token = second_key.sign(server.mint.header(kid="key-2"), claims)
    assert (await server.present(token)).status_code == 200


@requirement("H173")
async def test_tokens_of_a_revoked_key_are_refused_at_once_though_the_key_is_still_cached(
    server: Server, redis: Redis, second_key: SigningKey
) -> None:
    server.outside.keys.append(second_key.public_jwk())
    server.clock.advance(31)
    claims = server.mint.claims(server.clock.now())
    other = second_key.sign(server.mint.header(kid="key-2"), claims)
    known = server.token()
    assert (await server.present(known)).status_code == 200
    assert (await server.present(other)).status_code == 200
    entry = signing_key_entry("key-1")
    await redis.set(deny_key(*entry), "1", ex=60)
    await redis.publish(CHANNEL, f"deny {':'.join(entry)} 60")
    assert_invalid_token(await first_refusal(server, known))
    assert_invalid_token(await server.present(server.token(jti="never seen before")))
    assert (await server.present(other)).status_code == 200


@requirement("H173")
async def test_a_replica_that_starts_later_knows_of_a_revoked_key(
    open_server: OpenServer, redis: Redis
) -> None:
    await redis.set(deny_key(*signing_key_entry("key-1")), "1", ex=60)
    async with open_server() as server:
        assert_invalid_token(await server.present(server.token()))


async def test_a_hint_that_keys_changed_is_followed_within_the_cooldown(
    server: Server, redis: Redis, second_key: SigningKey
) -> None:
    server.outside.keys.append(second_key.public_jwk())
    before = _fetches(server)
    await redis.publish(CHANNEL, "keys changed")

    async def was_read() -> bool:
        return _fetches(server) > before

    await until(was_read)
    claims = server.mint.claims(server.clock.now())
    token = second_key.sign(server.mint.header(kid="key-2"), claims)
    assert (await server.present(token)).status_code == 200
    assert _fetches(server) == before + 1
