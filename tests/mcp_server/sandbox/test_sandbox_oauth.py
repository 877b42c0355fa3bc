"""The sandbox's authorization server: what an app meets that signs people in with Val Town."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from mcp_server.sandbox.app import create_app

pytestmark = pytest.mark.anyio

BASE = "http://sandbox.test"
REDIRECT = "https://app.example.com/callback"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
async def http(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(tmp_path, base_url=BASE)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client,
    ):
        yield client


async def registered(http: httpx.AsyncClient, **metadata: Any) -> dict[str, Any]:
    body = {
        "redirect_uris": [REDIRECT],
        "grant_types": ["authorization_code", "refresh_token"],
        "client_name": "An <app>",
        **metadata,
    }
    response = await http.post("/oauth/reg", json=body)
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def answer(
    http: httpx.AsyncClient, client: dict[str, Any], decision: str = "allow", **changes: str
) -> dict[str, str]:
    query = {
        "response_type": "code",
        "client_id": client["client_id"],
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "scope": "user_r project_rw offline_access",
        "resource": "https://api.val.town",
        "prompt": "consent",
        "state": "s",
        **changes,
    }
    response = await http.post(
        f"/oauth/auth?{urlencode(query)}", data={"account": "ada", "decision": decision}
    )
    assert response.status_code == 303, response.text
    return {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()
    }


async def tokens(http: httpx.AsyncClient, client: dict[str, Any], **form: str) -> httpx.Response:
    credentials = {name: client[name] for name in ("client_id", "client_secret") if name in client}
    return await http.post("/oauth/token", data={**credentials, **form})


async def redeem(http: httpx.AsyncClient, client: dict[str, Any], code: str, **form: str) -> httpx.Response:
    given = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER, **form}
    return await tokens(http, client, grant_type="authorization_code", **given)


async def me(http: httpx.AsyncClient, token: str) -> int:
    return (await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).status_code


async def test_an_app_is_led_from_the_api_to_a_token_that_opens_it(http: httpx.AsyncClient) -> None:
    resource = (await http.get("/.well-known/oauth-protected-resource")).json()
    (issuer,) = resource["authorization_servers"]
    metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == issuer == f"{BASE}/oauth"
    client = await registered(http)
    back = await answer(http, client)
    assert back["state"] == "s"
    assert back["iss"] == issuer
    issued = (await redeem(http, client, back["code"])).json()
    headers = {"Authorization": f"Bearer {issued['access_token']}"}
    assert (await http.get("/v1/me", headers=headers)).json()["username"] == "ada"
    # Only what was asked for is opened.
    assert (await http.get("/v1/blob", headers=headers)).status_code == 403


async def test_a_refresh_token_is_good_once_and_a_replay_ends_the_connection(http: httpx.AsyncClient) -> None:
    client = await registered(http, token_endpoint_auth_method="none")
    first = (await redeem(http, client, (await answer(http, client))["code"])).json()
    second = (
        await tokens(http, client, grant_type="refresh_token", refresh_token=first["refresh_token"])
    ).json()
    assert await me(http, second["access_token"]) == 200
    replay = await tokens(http, client, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert replay.json()["error"] == "invalid_grant"
    assert await me(http, second["access_token"]) == 401
    last = await tokens(http, client, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert last.json()["error"] == "invalid_grant"


async def test_a_code_is_good_once(http: httpx.AsyncClient) -> None:
    client = await registered(http)
    code = (await answer(http, client))["code"]
    wrong = await redeem(http, client, code, code_verifier="w" * 43)
    assert wrong.json()["error"] == "invalid_grant"
    issued = (await redeem(http, client, code)).json()
    assert (await redeem(http, client, code)).json()["error"] == "invalid_grant"
    assert await me(http, issued["access_token"]) == 401


async def test_a_person_takes_access_back(http: httpx.AsyncClient) -> None:
    client = await registered(http)
    issued = (await redeem(http, client, (await answer(http, client))["code"])).json()
    (connection,) = (await http.get("/")).json()["connections"]
    assert connection["username"] == "ada"
    assert (await http.post(f"/connections/{connection['id']}/withdraw")).status_code == 200
    assert await me(http, issued["access_token"]) == 401
    gone = await tokens(http, client, grant_type="refresh_token", refresh_token=issued["refresh_token"])
    assert gone.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"resource": "https://elsewhere.example"}, "invalid_target"),
    ],
)
async def test_a_wrong_request_is_told_to_the_app(
    http: httpx.AsyncClient, changes: dict[str, str], error: str
) -> None:
    client = await registered(http)
    assert (await answer(http, client, **changes))["error"] == error


async def test_refusal_is_told_and_unknown_apps_are_not_redirected(http: httpx.AsyncClient) -> None:
    client = await registered(http)
    assert (await answer(http, client, "deny"))["error"] == "access_denied"
    for query in (
        {"client_id": "x"},
        {"client_id": client["client_id"], "redirect_uri": "https://evil.test"},
    ):
        response = await http.get(f"/oauth/auth?{urlencode(query)}")
        assert response.status_code == 400
        assert "location" not in response.headers


async def test_without_consent_or_offline_access_there_is_no_refresh_token(http: httpx.AsyncClient) -> None:
    client = await registered(http)
    for changes in ({"prompt": "login"}, {"scope": "user_r"}):
        issued = (await redeem(http, client, (await answer(http, client, **changes))["code"])).json()
        assert "refresh_token" not in issued


async def test_a_wrong_secret_is_invalid_client(http: httpx.AsyncClient) -> None:
    client = await registered(http)
    code = (await answer(http, client))["code"]
    refused = await redeem(http, {**client, "client_secret": "wrong"}, code)
    assert refused.status_code == 401
    assert refused.json()["error"] == "invalid_client"
    basic = await http.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        },
        auth=(client["client_id"], client["client_secret"]),
    )
    assert basic.status_code == 200


async def test_connections_survive_a_restart(tmp_path: Path) -> None:
    issued: dict[str, Any] = {}
    for _ in range(2):
        app = create_app(tmp_path, base_url=BASE)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as http,
        ):
            if not issued:
                client = await registered(http)
                issued = (await redeem(http, client, (await answer(http, client))["code"])).json()
            assert await me(http, issued["access_token"]) == 200
