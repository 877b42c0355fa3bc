"""GET, PUT and DELETE /oauth/register/{client_id}: a client manages its registration (RFC 7592 section 2)."""

from typing import Any

import httpx
import pytest

from auth_server.domain.registration_token import RegistrationTokens
from dev.flow import OAuthClient, Pkce
from shared.sealing import Sealer
from tests.auth_server.answers import refused, told_to_the_person
from tests.auth_server.deployment import ISSUER, REDIRECT_URI, AuthServer
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

OTHER_URI = "https://client.example.com/other"
KINDS = ["client_secret_basic", "none"]


class Registration:
    """A client together with its registration."""

    def __init__(self, client: OAuthClient, response: dict[str, Any]) -> None:
        self.client = client
        self.response = response
        self.path = response["registration_client_uri"].removeprefix(ISSUER)
        self.token: str = response["registration_access_token"]

    async def send(self, method: str, *, token: str | None = None, json: Any = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return await self.client.http.request(method, self.path, headers=headers, json=json)

    async def update(self, **changes: Any) -> httpx.Response:
        body = {"client_id": self.client.client_id, "redirect_uris": [REDIRECT_URI], **changes}
        return await self.send("PUT", json=body)


async def register(server: AuthServer, **metadata: Any) -> Registration:
    client = server.client()
    return Registration(client, await client.register(**metadata))


@pytest.fixture(params=KINDS)
async def registration(server: AuthServer, request: pytest.FixtureRequest) -> Registration:
    """Return a registration with a secret, and one without."""
    return await register(server, token_endpoint_auth_method=request.param)


def unauthorized(response: httpx.Response) -> None:
    refused(response, 401, "invalid_token")
    challenge = response.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    assert 'error="invalid_token"' in challenge


def information(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert None not in body.values()
    return body


async def test_a_registration_says_where_and_with_what_to_manage_it(registration: Registration) -> None:
    client_id = registration.client.client_id
    assert registration.response["registration_client_uri"] == f"{ISSUER}/oauth/register/{client_id}"
    assert registration.token.startswith("vtrt_")


async def test_reading_returns_what_was_registered(registration: Registration) -> None:
    body = information(await registration.send("GET"))
    secret_members = {"client_secret", "client_secret_expires_at", "registration_access_token"}
    registered = {name: value for name, value in registration.response.items() if name not in secret_members}
    assert {name: value for name, value in body.items() if name not in secret_members} == registered
    # Only a hash of the secret is kept.
    assert "client_secret" not in body
    registration.token = body["registration_access_token"]
    assert information(await registration.send("GET"))["client_id"] == registration.client.client_id


@requirement("G135")
async def test_any_other_token_is_refused(server: AuthServer, registration: Registration) -> None:
    other = await register(server)
    tokens = await registration.client.tokens(server.browser())
    wrong = [
        other.token,
        "",
        "wrong",
        "vtrt_",
        "vtrt_" + "A" * 64,
        "vtrt_" + "!" * 64,
        registration.token[:-1],
        registration.token + "A",
        registration.token.swapcase(),
        tokens["access_token"],
        tokens["refresh_token"],
        registration.client.client_secret or "none",
    ]
    for token in wrong:
        unauthorized(await registration.send("GET", token=token))
    for method in ("PUT", "DELETE"):
        unauthorized(await registration.send(method, token=other.token, json={}))
    assert information(await registration.send("GET"))["client_id"] == registration.client.client_id
    assert information(await other.send("GET"))["client_id"] == other.client.client_id


async def test_without_a_bearer_token_it_is_refused(registration: Registration) -> None:
    http, path = registration.client.http, registration.path
    unauthorized(await http.get(path))
    unauthorized(await http.get(path, headers={"Authorization": f"Basic {registration.token}"}))
    twice = [("Authorization", f"Bearer {registration.token}")] * 2
    unauthorized(await http.get(path, headers=twice))
    unauthorized(await http.get(path, params={"access_token": registration.token}))
    accepted = await http.get(path, headers={"Authorization": f"bearer {registration.token}"})
    assert accepted.status_code == 200


async def test_an_unknown_client_is_answered_like_a_wrong_token(registration: Registration) -> None:
    wrong = await registration.send("GET", token="wrong")
    registration.path = "/oauth/register/client_unknown"
    unknown = await registration.send("GET")
    unauthorized(unknown)
    assert unknown.json() == wrong.json()
    assert unknown.headers["www-authenticate"] == wrong.headers["www-authenticate"]


async def test_an_update_replaces_the_metadata_as_a_whole(
    server: AuthServer, registration: Registration
) -> None:
    await registration.update(client_name="Renamed", software_id="1", scope="vals:read")
    body = information(await registration.update(client_uri="https://client.example.com"))
    assert body["client_uri"] == "https://client.example.com"
    assert not {"client_name", "software_id", "scope"} & set(body)
    assert body["client_id_issued_at"] == registration.response["client_id_issued_at"]
    method = registration.response["token_endpoint_auth_method"]
    assert body["token_endpoint_auth_method"] == method
    read = information(await registration.send("GET"))
    assert {**read, "registration_access_token": ""} == {**body, "registration_access_token": ""}
    assert "refresh_token" in await registration.client.tokens(server.browser())


@requirement("C17")
async def test_a_redirect_uri_that_was_replaced_is_refused_from_then_on(
    server: AuthServer, registration: Registration
) -> None:
    client = registration.client
    information(await registration.update(redirect_uris=[OTHER_URI]))
    old = await server.visitor().get(client.authorize_url(Pkce.new()))
    told_to_the_person(old)
    client.redirect_uri = OTHER_URI
    assert "access_token" in await client.tokens(server.browser())


@requirement("C17")
async def test_a_request_that_waits_is_not_answered_at_a_replaced_redirect_uri(
    server: AuthServer, registration: Registration
) -> None:
    browser = server.browser()
    page = await browser.sign_in(await browser.open(registration.client.authorize_url(Pkce.new())))
    information(await registration.update(redirect_uris=[OTHER_URI]))
    told_to_the_person(await browser.send(page, decision="approve"))


async def test_grants_go_on_after_an_update(server: AuthServer, registration: Registration) -> None:
    tokens = await registration.client.tokens(server.browser())
    information(await registration.update(redirect_uris=[OTHER_URI]))
    assert (await registration.client.refresh(tokens["refresh_token"])).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "client_other"}, "invalid_client_metadata"),
        ({"client_id": None}, "invalid_client_metadata"),
        ({"client_secret": "chosen"}, "invalid_client_metadata"),
        ({"client_secret": 1}, "invalid_client_metadata"),
        ({"registration_access_token": "x"}, "invalid_client_metadata"),
        ({"registration_client_uri": "https://client.example.com"}, "invalid_client_metadata"),
        ({"client_secret_expires_at": 0}, "invalid_client_metadata"),
        ({"client_id_issued_at": 0}, "invalid_client_metadata"),
        ({"client_name": 1}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://client.example.com/callback"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
    ],
)
async def test_an_update_under_other_rules_than_a_registration_is_refused(
    registration: Registration, changes: dict[str, Any], error: str
) -> None:
    before = information(await registration.send("GET"))
    refused(await registration.update(**changes), 400, error)
    after = information(await registration.send("GET"))
    assert {**after, "registration_access_token": ""} == {**before, "registration_access_token": ""}


async def test_a_client_cannot_change_between_a_secret_and_none(server: AuthServer) -> None:
    public = await register(server, token_endpoint_auth_method="none")
    confidential = await register(server)
    refused(
        await public.update(token_endpoint_auth_method="client_secret_post"), 400, "invalid_client_metadata"
    )
    refused(await confidential.update(token_endpoint_auth_method="none"), 400, "invalid_client_metadata")
    # Where the secret travels may change, and the secret itself may be repeated.
    secret = confidential.client.client_secret
    information(
        await confidential.update(token_endpoint_auth_method="client_secret_post", client_secret=secret)
    )
    assert "access_token" in await confidential.client.tokens(server.browser())


async def test_a_removed_client_and_all_that_was_issued_to_it_are_dead(
    server: AuthServer, registration: Registration
) -> None:
    client = registration.client
    several = [await client.tokens(server.browser()) for _ in range(3)]
    code, pkce = await server.code(client)
    bystander = await server.registered()
    other = await bystander.tokens(server.browser())
    response = await registration.send("DELETE")
    assert response.status_code == 204
    assert response.content == b""
    refused(await client.redeem(code, pkce.verifier), 401, "invalid_client")
    for tokens in several:
        refused(await client.refresh(tokens["refresh_token"]), 401, "invalid_client")
        assert await server.is_denied(tokens)
    told_to_the_person(await server.visitor().get(client.authorize_url(Pkce.new())))
    for method in ("GET", "PUT", "DELETE"):
        unauthorized(await registration.send(method, json={}))
    assert not await server.is_denied(other)
    assert (await bystander.refresh(other["refresh_token"])).status_code == 200
    assert not [key async for key in server.redis.scan_iter(match=f"*{client.client_id}*")]


async def test_a_removal_that_a_fault_of_the_store_cut_short_can_be_repeated(
    server: AuthServer, registration: Registration
) -> None:
    tokens = await registration.client.tokens(server.browser())
    index = f"vt:client-grants:{registration.client.client_id}"
    grants = dict(await server.redis.zrange(index, 0, -1, withscores=True))
    # What is not the type that a command expects is an error of the store, like any other.
    await server.redis.set(index, "unreadable")
    refused(await registration.send("DELETE"), 503, "temporarily_unavailable")
    # Nothing new can be had meanwhile, and the owner is not told that it is done.
    refused(await registration.client.refresh(tokens["refresh_token"]), 401, "invalid_client")
    unauthorized(await registration.send("GET"))
    # Nor does an identical registration get hold of it, and hinder the removal.
    method = registration.response["token_endpoint_auth_method"]
    again = await register(server, token_endpoint_auth_method=method)
    assert again.client.client_id != registration.client.client_id
    await server.redis.delete(index)
    await server.redis.zadd(index, grants)
    assert (await registration.send("DELETE")).status_code == 204
    assert await server.is_denied(tokens)


async def test_a_shared_client_can_be_read_by_each_and_changed_by_none(server: AuthServer) -> None:
    first = await register(server, token_endpoint_auth_method="none")
    second = await register(server, token_endpoint_auth_method="none")
    assert first.client.client_id == second.client.client_id
    assert first.token != second.token
    for registration in (first, second):
        information(await registration.send("GET"))
        refused(await registration.update(redirect_uris=[OTHER_URI]), 403, "access_denied")
        refused(await registration.send("DELETE"), 403, "access_denied")
    assert "access_token" in await second.client.tokens(server.browser())


async def test_a_client_that_was_changed_is_never_handed_to_others(server: AuthServer) -> None:
    first = await register(server, token_endpoint_auth_method="none")
    information(await first.update(redirect_uris=[OTHER_URI], client_name="Test Client"))
    same_as_before = await register(server, token_endpoint_auth_method="none")
    same_as_now = await register(
        server, token_endpoint_auth_method="none", redirect_uris=[OTHER_URI], client_name="Test Client"
    )
    ids = {entry.client.client_id for entry in (first, same_as_before, same_as_now)}
    assert len(ids) == 3
    # Not shared with anybody, it can still be changed.
    information(await first.update())


async def test_a_removed_client_is_not_handed_to_others(server: AuthServer) -> None:
    first = await register(server, token_endpoint_auth_method="none")
    assert (await first.send("DELETE")).status_code == 204
    second = await register(server, token_endpoint_auth_method="none")
    assert second.client.client_id != first.client.client_id
    assert "access_token" in await second.client.tokens(server.browser())


def test_a_token_made_before_the_encryption_key_was_changed_still_belongs() -> None:
    old, new = bytes(32), bytes(range(32))
    token = RegistrationTokens(Sealer(old)).make("client_a")
    assert RegistrationTokens(Sealer(new, old)).belongs(token, "client_a")
    assert not RegistrationTokens(Sealer(new, old)).belongs(token, "client_b")
    assert not RegistrationTokens(Sealer(new)).belongs(token, "client_a")


async def test_browsers_may_manage_registrations_from_anywhere(registration: Registration) -> None:
    http, path = registration.client.http, registration.path
    for method in ("GET", "PUT", "DELETE"):
        preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": method}
        answer = await http.options(path, headers=preflight)
        assert answer.status_code == 204
        assert method in answer.headers["access-control-allow-methods"].split(", ")
        assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    read = await http.get(
        path, headers={"Origin": "https://app.example", "Authorization": f"Bearer {registration.token}"}
    )
    assert read.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in read.headers


async def test_other_methods_are_not_allowed(registration: Registration) -> None:
    response = await registration.send("PATCH", json={})
    assert response.status_code == 405
