"""PKCE with S256 alone (RFC 7636 sections 4.1 to 4.6; OAuth 2.1 sections 4.1.1 and 7.5.1)."""

import base64
import hashlib

import pytest

from dev.flow import OAuthClient, Pkce, callback_of
from tests.auth_server.answers import refused, told_to_the_client
from tests.auth_server.deployment import ISSUER, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


def pair(verifier: str) -> Pkce:
    digest = hashlib.sha256(verifier.encode()).digest()
    return Pkce(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


async def code_for(server: AuthServer, client: OAuthClient, pkce: Pkce) -> str:
    callback = await server.browser().approve(client.authorize_url(pkce))
    return callback.parameters["code"]


@requirement("P1", "O9")
@pytest.mark.parametrize(
    "verifier",
    ["a" * 43, "A" * 128, "0123456789-._~" * 4, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
    ids=["43", "128", "every kind", "the example of the RFC"],
)
async def test_any_verifier_of_the_grammar_works(
    server: AuthServer, client: OAuthClient, verifier: str
) -> None:
    code = await code_for(server, client, pair(verifier))
    assert (await client.redeem(code, verifier)).status_code == 200


def test_the_example_of_appendix_b() -> None:
    expected = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert pair("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").challenge == expected


@requirement("O8", "O9", "P2", "B38", "B39", "B40", "B41", "B42", "B43")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge_method": "S256 "},
        {"code_challenge": "a" * 42},
        {"code_challenge": "a" * 44},
        {"code_challenge": "a" * 129},
        {"code_challenge": "a" * 42 + "="},
        {"code_challenge": "a" * 43 + "="},
        {"code_challenge": "a" * 42 + "+"},
        {"code_challenge": "a" * 42 + "/"},
        {"code_challenge": "a" * 42 + " "},
        {"code_challenge": "a" * 42 + "."},
        {"code_challenge": "a" * 43 + "\n"},
        {"code_challenge": "é" * 43},
        {"code_challenge": "0" * 64},
    ],
)
@pytest.mark.parametrize("public", [True, False])
async def test_a_request_without_a_good_challenge_is_refused(
    server: AuthServer, changes: dict[str, str | None], public: bool
) -> None:
    client = await (server.public() if public else server.registered())
    response = await server.visitor().get(client.authorize_url(Pkce.new(), **changes))
    told_to_the_client(
        response,
        "invalid_request",
        redirect_uri=REDIRECT_URI,
        state="state-of-the-client",
        issuer=ISSUER,
    )


@pytest.mark.parametrize("length", [41, 42, 40])
async def test_the_refusal_of_a_challenge_of_another_length_says_what_is_wrong(
    server: AuthServer, client: OAuthClient, length: int
) -> None:
    url = client.authorize_url(Pkce.new(), code_challenge="a" * length)
    told = callback_of(await server.visitor().get(url)).parameters["error_description"]
    assert str(length) in told
    assert "43" in told
    assert "base64url" in told


@requirement("P1", "B47")
@pytest.mark.parametrize(
    "verifier",
    [
        "a" * 42,
        "a" * 129,
        "a" * 42 + "=",
        "a" * 42 + "+",
        "a" * 42 + "/",
        "a" * 42 + " ",
        "a" * 42 + "é",
        "a" * 43 + "\n",
        "a" * 42 + "\x00",
        "a" * 20_000,
    ],
)
async def test_a_verifier_outside_the_grammar_is_an_invalid_request_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient, verifier: str
) -> None:
    code, pkce = await server.code(client)
    refused(await client.redeem(code, verifier), 400, "invalid_request")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


async def test_the_refusal_of_a_short_verifier_says_what_is_wrong(
    server: AuthServer, client: OAuthClient
) -> None:
    code, _ = await server.code(client)
    told = refused(await client.redeem(code, "a" * 41), 400, "invalid_request")
    assert "41" in told
    assert "43" in told


@requirement("O10", "B44")
async def test_a_missing_verifier_is_refused_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI}
    refused(await client.post("/oauth/token", form), 400, "invalid_request")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


@requirement("O10", "B45", "B46")
async def test_a_wrong_verifier_is_refused_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient
) -> None:
    code, pkce = await server.code(client)
    _, other = await server.code(client)
    swapped = pkce.verifier.swapcase()
    for wrong in (other.verifier, pkce.challenge, swapped, pkce.verifier[:-1] + "~", pkce.verifier + "a"):
        refused(await client.redeem(code, wrong), 400, "invalid_grant")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


@requirement("P3", "B46")
async def test_a_verifier_equal_to_its_challenge_is_refused(
    server: AuthServer, public_client: OAuthClient
) -> None:
    # What a server that knows `plain` would let through.
    plain = "a" * 43
    code = await code_for(server, public_client, Pkce(plain, plain))
    refused(await public_client.redeem(code, plain), 400, "invalid_grant")


@requirement("B48")
@pytest.mark.parametrize("good_first", [True, False])
async def test_two_verifiers_are_refused_and_the_code_stays_good(
    server: AuthServer, client: OAuthClient, good_first: bool
) -> None:
    code, pkce = await server.code(client)
    verifiers = [pkce.verifier, "a" * 43] if good_first else ["a" * 43, pkce.verifier]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifiers,
        "client_id": client.client_id,
        "client_secret": client.client_secret or "",
    }
    refused(await client.http.post("/oauth/token", data=form), 400, "invalid_request")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


@requirement("B49")
async def test_a_verifier_in_the_url_is_not_read(server: AuthServer, client: OAuthClient) -> None:
    code, pkce = await server.code(client)
    form = {"grant_type": "authorization_code", "code": code}
    in_url = await client.post(f"/oauth/token?code_verifier={pkce.verifier}", form)
    refused(in_url, 400, "invalid_request")
    assert (await client.redeem(code, pkce.verifier)).status_code == 200


@requirement("B50")
async def test_a_hundred_wrong_verifiers_do_not_cost_the_owner_the_code(
    server: AuthServer, public_client: OAuthClient
) -> None:
    code, pkce = await server.code(public_client)
    for _ in range(100):
        answer = await public_client.redeem(code, Pkce.new().verifier)
        assert answer.status_code in (400, 429)
        assert "access_token" not in answer.text
    assert (await public_client.redeem(code, pkce.verifier)).status_code == 200
