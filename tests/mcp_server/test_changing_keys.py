"""While the issuer's keys change nobody with a good token is turned away, and no revoked key gets in."""

import pytest
from redis.asyncio import Redis

from shared.oauth.signatures import JWKS_MAX_AGE, PUBLISHED_BEFORE_USE, REFETCH_SECONDS, RELOAD_SECONDS
from shared.revocation import CHANNEL, signing_key_entry
from tests.requirements import requirement
from tests.support.resource_server import Server, assert_invalid_token, first_refusal
from tests.support.tokens import SigningKey
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
def settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the second read follow the first at once; the clock of the test says what is settled."""
    monkeypatch.setattr("mcp_server.auth.jwks.SETTLING_PAUSE", 0.01)


def _fetches(server: Server) -> int:
    return sum(url.endswith("/.well-known/jwks.json") for url in server.outside.fetched)


def _token(server: Server, key: SigningKey) -> str:
    return key.sign(server.mint.header(kid=key.kid), server.mint.claims(server.clock.now()))


async def _until_fetches(server: Server, count: int) -> None:
    async def were_made() -> bool:
        return _fetches(server) >= count

    await until(were_made)


@requirement("H172")
async def test_a_key_that_a_stranger_asked_for_too_early_is_known_when_it_signs(
    server: Server, second_key: SigningKey
) -> None:
    # A cache between the issuer and us may keep the key set of before for so long.
    server.clock.advance(RELOAD_SECONDS + JWKS_MAX_AGE)
    assert_invalid_token(await server.present(_token(server, second_key)))
    server.outside.keys.append(second_key.public_jwk())
    server.clock.advance(PUBLISHED_BEFORE_USE - RELOAD_SECONDS - JWKS_MAX_AGE)
    assert (await server.present(_token(server, second_key))).status_code == 200


@requirement("H172")
async def test_a_key_published_just_after_the_set_was_read_is_known_when_it_signs(
    server: Server, second_key: SigningKey
) -> None:
    server.clock.advance(REFETCH_SECONDS + 1)
    await server.present(server.token(header={"kid": "nobody"}))
    # So late the last cache may have answered with the keys of before.
    server.clock.advance(RELOAD_SECONDS + JWKS_MAX_AGE)
    before = _fetches(server)
    await server.present(server.token(header={"kid": "nobody-else"}))
    assert _fetches(server) == before + 1
    server.outside.keys.append(second_key.public_jwk())
    server.clock.advance(PUBLISHED_BEFORE_USE - RELOAD_SECONDS - JWKS_MAX_AGE)
    assert (await server.present(_token(server, second_key))).status_code == 200


async def test_after_a_change_the_keys_are_read_twice_because_a_replica_of_the_issuer_may_lag(
    server: Server, redis: Redis, second_key: SigningKey, settling: None
) -> None:
    before = _fetches(server)
    await redis.publish(CHANNEL, "keys changed")
    await _until_fetches(server, before + 1)
    server.outside.keys.append(second_key.public_jwk())
    await _until_fetches(server, before + 2)
    assert (await server.present(_token(server, second_key))).status_code == 200


@requirement("H172")
async def test_while_the_keys_change_an_unknown_one_is_503_and_a_known_one_works(
    server: Server, redis: Redis, second_key: SigningKey
) -> None:
    before = _fetches(server)
    await redis.publish(CHANNEL, "keys changed")
    await _until_fetches(server, before + 1)
    response = await server.present(_token(server, second_key))
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "www-authenticate" not in response.headers
    assert (await server.present(server.token())).status_code == 200
    # Settled: whoever is not known now is nobody.
    server.clock.advance(REFETCH_SECONDS + 1)
    assert_invalid_token(await server.present(_token(server, second_key)))


@requirement("H173")
async def test_a_revoked_key_is_401_also_when_it_is_out_of_the_set_and_the_issuer_is_down(
    server: Server, redis: Redis, second_key: SigningKey
) -> None:
    known = server.token()
    assert (await server.present(known)).status_code == 200
    await redis.publish(CHANNEL, f"deny {':'.join(signing_key_entry('key-1'))} 3600")
    assert_invalid_token(await first_refusal(server, known))
    server.outside.keys[:] = [second_key.public_jwk()]
    server.clock.advance(REFETCH_SECONDS + 1)
    assert (await server.present(_token(server, second_key))).status_code == 200
    server.outside.issuer_down = True
    server.clock.advance(REFETCH_SECONDS + 1)
    # Not 503: a client that is told to wait would never refresh.
    assert_invalid_token(await server.present(known))
    assert_invalid_token(await server.present(server.token(jti="never seen before")))
