"""Which key names are remembered as unknown: those the issuer was asked about, and no others."""

import pytest

from tests.support.resource_server import Server, assert_invalid_token
from tests.support.tokens import SigningKey

pytestmark = pytest.mark.anyio

COOLDOWN = 31


def _fetches(server: Server) -> int:
    return sum(url.endswith("/.well-known/jwks.json") for url in server.outside.fetched)


def _token(server: Server, key: SigningKey) -> str:
    return key.sign(server.mint.header(kid=key.kid), server.mint.claims(server.clock.now()))


async def test_a_key_first_seen_during_the_cooldown_is_found_as_soon_as_that_is_over(
    server: Server, second_key: SigningKey
) -> None:
    server.outside.keys.append(second_key.public_jwk())
    before = _fetches(server)
    for _ in range(3):
        assert_invalid_token(await server.present(_token(server, second_key)))
    assert _fetches(server) == before
    server.clock.advance(COOLDOWN)
    assert (await server.present(_token(server, second_key))).status_code == 200
    assert _fetches(server) == before + 1


async def test_a_key_the_issuer_does_not_know_is_remembered_and_asked_about_once(
    server: Server, second_key: SigningKey
) -> None:
    before = _fetches(server)
    server.clock.advance(COOLDOWN)
    assert_invalid_token(await server.present(_token(server, second_key)))
    assert _fetches(server) == before + 1
    server.clock.advance(COOLDOWN)
    assert_invalid_token(await server.present(_token(server, second_key)))
    assert _fetches(server) == before + 1
    # A name that was not asked about is a question of its own.
    assert_invalid_token(await server.present(server.token(header={"kid": "key-3"})))
    assert _fetches(server) == before + 2
    assert (await server.present(server.token())).status_code == 200


async def test_new_keys_end_what_is_remembered(server: Server, second_key: SigningKey) -> None:
    server.clock.advance(COOLDOWN)
    assert_invalid_token(await server.present(_token(server, second_key)))
    server.outside.keys.append(second_key.public_jwk())
    server.clock.advance(COOLDOWN)
    assert_invalid_token(await server.present(server.token(header={"kid": "key-3"})))
    assert (await server.present(_token(server, second_key))).status_code == 200
