"""Client authentication at the token and revocation endpoints (RFC 6749 sections 2.3 and 5.2)."""

import base64
from urllib.parse import quote_plus

import httpx
import pytest

from dev.flow import OAuthClient
from tests.auth_server.answers import refused
from tests.auth_server.deployment import AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

UNKNOWN_REFRESH = {"grant_type": "refresh_token", "refresh_token": "unknown"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def raw_basic(value: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(value).decode()}


def secret_of(client: OAuthClient) -> str:
    assert client.client_secret is not None
    return client.client_secret


async def authenticated(response: httpx.Response) -> bool:
    # With the client authenticated, the unknown refresh token is what is wrong.
    return response.status_code == 400 and response.json()["error"] == "invalid_grant"


@requirement("O18", "D81")
@pytest.mark.parametrize(
    "method", ["client_secret_basic", "client_secret_post", None], ids=["basic", "post", "default"]
)
async def test_a_client_with_a_secret_may_send_it_either_way_whatever_it_registered(
    server: AuthServer, method: str | None
) -> None:
    metadata = {} if method is None else {"token_endpoint_auth_method": method}
    client = await server.registered(**metadata)
    secret = secret_of(client)
    by_header = await client.http.post(
        "/oauth/token", data=UNKNOWN_REFRESH, headers=basic(client.client_id, secret)
    )
    body = {**UNKNOWN_REFRESH, "client_id": client.client_id, "client_secret": secret}
    by_body = await client.http.post("/oauth/token", data=body)
    by_json = await client.http.post("/oauth/token", json=body)
    assert [await authenticated(answer) for answer in (by_header, by_body, by_json)] == [True] * 3


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
async def test_the_basic_scheme_is_matched_without_regard_to_case(client: OAuthClient, scheme: str) -> None:
    headers = basic(client.client_id, secret_of(client))
    headers["Authorization"] = headers["Authorization"].replace("Basic", scheme)
    assert await authenticated(await client.http.post("/oauth/token", data=UNKNOWN_REFRESH, headers=headers))


@requirement("O18")
async def test_basic_credentials_are_form_decoded(client: OAuthClient) -> None:
    every = "".join(f"%{ord(character):02x}" for character in f"{client.client_id}")
    secret = "".join(f"%{ord(character):02X}" for character in secret_of(client))
    headers = raw_basic(f"{every}:{secret}".encode())
    assert await authenticated(await client.http.post("/oauth/token", data=UNKNOWN_REFRESH, headers=headers))


@requirement("D78")
async def test_a_client_id_in_the_body_may_repeat_the_one_of_the_header(client: OAuthClient) -> None:
    headers = basic(client.client_id, secret_of(client))
    same = await client.http.post(
        "/oauth/token", data={**UNKNOWN_REFRESH, "client_id": client.client_id}, headers=headers
    )
    assert await authenticated(same)
    other = await client.http.post(
        "/oauth/token", data={**UNKNOWN_REFRESH, "client_id": "other"}, headers=headers
    )
    refused(other, 400, "invalid_request")


@requirement("O16", "D77")
async def test_two_methods_at_a_time_are_refused(client: OAuthClient) -> None:
    form = {**UNKNOWN_REFRESH, "client_secret": secret_of(client)}
    headers = basic(client.client_id, secret_of(client))
    refused(await client.http.post("/oauth/token", data=form, headers=headers), 400, "invalid_request")


@requirement("D84")
async def test_two_authorization_headers_are_refused(client: OAuthClient) -> None:
    header = basic(client.client_id, secret_of(client))["Authorization"]
    headers = [("Authorization", header), ("Authorization", header)]
    refused(
        await client.http.post("/oauth/token", data=UNKNOWN_REFRESH, headers=headers),
        400,
        "invalid_request",
    )


def _wrong(secret: str) -> list[str]:
    return [
        "wrong",
        secret[:-1],
        secret + "x",
        secret.swapcase(),
        " " + secret,
        secret + "\n",
        secret + "\x00",
        "\x00",
        "ü",
        "x" * 10_000,
    ]


@requirement("O17", "D82", "D83")
async def test_a_wrong_secret_in_the_header_is_answered_with_a_challenge(client: OAuthClient) -> None:
    for wrong in ["", *_wrong(secret_of(client))]:
        response = await client.http.post(
            "/oauth/token", data=UNKNOWN_REFRESH, headers=basic(client.client_id, wrong)
        )
        refused(response, 401, "invalid_client")
        assert response.headers["www-authenticate"].startswith("Basic ")
    assert await authenticated(await client.refresh("unknown"))


@requirement("D83")
async def test_a_wrong_secret_in_the_body_is_answered_with_a_challenge_too(client: OAuthClient) -> None:
    for wrong in _wrong(secret_of(client)):
        response = await client.post("/oauth/token", {**UNKNOWN_REFRESH, "client_secret": wrong})
        refused(response, 401, "invalid_client")
        # RFC 9110 section 15.5.2: a 401 has a challenge, however the client tried.
        assert response.headers["www-authenticate"].startswith("Basic ")
    assert await authenticated(await client.refresh("unknown"))


@requirement("D79", "D82")
@pytest.mark.parametrize("secret", [None, ""])
async def test_a_confidential_client_without_its_secret_is_refused(
    client: OAuthClient, secret: str | None
) -> None:
    form = {**UNKNOWN_REFRESH, "client_id": client.client_id}
    form |= {} if secret is None else {"client_secret": secret}
    refused(await client.http.post("/oauth/token", data=form), 401, "invalid_client")


@requirement("D80")
async def test_a_public_client_sends_its_id_alone(public_client: OAuthClient) -> None:
    form = {**UNKNOWN_REFRESH, "client_id": public_client.client_id}
    assert await authenticated(await public_client.http.post("/oauth/token", data=form))
    with_secret = {**form, "client_secret": "any"}
    refused(await public_client.http.post("/oauth/token", data=with_secret), 401, "invalid_client")
    by_header = await public_client.http.post(
        "/oauth/token", data=UNKNOWN_REFRESH, headers=basic(public_client.client_id, "any")
    )
    refused(by_header, 401, "invalid_client")


@pytest.mark.parametrize(
    "client_id", ["unknown", "client_" + "A" * 22, "\x00", "ü", "x" * 10_000, "*", "../x"]
)
async def test_an_unknown_client_is_refused(http: httpx.AsyncClient, client_id: str) -> None:
    form = {**UNKNOWN_REFRESH, "client_id": client_id, "client_secret": "x"}
    refused(await http.post("/oauth/token", data=form), 401, "invalid_client")
    refused(
        await http.post("/oauth/token", data=UNKNOWN_REFRESH, headers=basic(client_id, "x")),
        401,
        "invalid_client",
    )


async def test_without_a_client_id_the_client_is_refused(http: httpx.AsyncClient) -> None:
    refused(await http.post("/oauth/token", data=UNKNOWN_REFRESH), 401, "invalid_client")


async def test_unknown_client_and_wrong_secret_are_told_alike(client: OAuthClient) -> None:
    form = {**UNKNOWN_REFRESH, "client_secret": "wrong"}
    wrong = await client.http.post("/oauth/token", data={**form, "client_id": client.client_id})
    unknown = await client.http.post("/oauth/token", data={**form, "client_id": "unknown"})
    assert wrong.json() == unknown.json()


@requirement("D84")
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"%ff:x").decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Bearer abcdefgh",
        "Negotiate abc",
        "abc",
        "",
    ],
)
async def test_a_malformed_authorization_header_is_refused_with_a_challenge(
    client: OAuthClient, header: str
) -> None:
    response = await client.http.post("/oauth/token", data=UNKNOWN_REFRESH, headers={"Authorization": header})
    refused(response, 401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic ")
    assert await authenticated(await client.refresh("unknown"))


async def test_client_assertions_are_not_taken_for_a_public_client(public_client: OAuthClient) -> None:
    response = await public_client.post(
        "/oauth/token", {**UNKNOWN_REFRESH, "client_assertion": "eyJ", "client_assertion_type": "x"}
    )
    refused(response, 401, "invalid_client")


async def test_wrong_secrets_do_not_lock_the_right_one_out(client: OAuthClient) -> None:
    for _ in range(5):
        refused(
            await client.post("/oauth/token", {**UNKNOWN_REFRESH, "client_secret": "wrong"}),
            401,
            "invalid_client",
        )
    assert await authenticated(await client.refresh("unknown"))


@requirement("O31")
async def test_secrets_are_of_256_random_bits_and_of_one_client(server: AuthServer) -> None:
    first, second = await server.registered(), await server.registered()
    assert len(secret_of(first).removeprefix("vtcs_")) == 43
    crossed = {**UNKNOWN_REFRESH, "client_secret": secret_of(second)}
    refused(await first.post("/oauth/token", crossed), 401, "invalid_client")


async def test_a_client_used_within_its_life_keeps_its_registration(server: AuthServer) -> None:
    client = await server.registered()
    key = f"vt:client:{client.client_id}"
    await server.redis.expire(key, 100)
    await client.tokens(server.browser())
    assert await server.redis.ttl(key) > server.settings.oauth_refresh_token_ttl


@requirement("E109")
async def test_a_vanished_client_is_told_to_register_again(server: AuthServer, client: OAuthClient) -> None:
    tokens = await client.tokens(server.browser())
    await server.redis.delete(f"vt:client:{client.client_id}")
    refused(await client.refresh(tokens["refresh_token"]), 401, "invalid_client")
