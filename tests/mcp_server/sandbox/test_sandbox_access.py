"""Who may call the stand-in, what its own pages say, and users."""

from collections.abc import Callable

import httpx
import pytest

from mcp_server.sandbox.accounts import ADA, GRACE

pytestmark = pytest.mark.anyio

Connect = Callable[[str | None], httpx.AsyncClient]


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer vtwn_unknown", "Basic vtwn_sandbox_ada", "vtwn_sandbox_ada"],
)
@pytest.mark.parametrize("path", ["/v1/me", "/v2/vals", "/v2/vals/not-a-uuid", "/v2/vals?limit=0"])
async def test_a_request_without_a_known_token_is_unauthorized(
    connect: Connect, authorization: str | None, path: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await connect(None).get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert isinstance(response.json()["message"], str)


async def test_a_broken_body_without_a_token_is_unauthorized_first(connect: Connect) -> None:
    response = await connect(None).post("/v2/vals", content="{", headers={"Content-Type": "application/json"})
    assert response.status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(connect: Connect, scheme: str) -> None:
    response = await connect(None).get("/v1/me", headers={"Authorization": f"{scheme} vtwn_sandbox_ada"})
    assert response.status_code == 200


async def test_a_readonly_token_reads_and_is_forbidden_to_write(connect: Connect) -> None:
    readonly = connect("vtwn_sandbox_ada_readonly")
    val = (await readonly.get("/v2/me/vals")).json()["data"][0]
    assert (await readonly.get(f"/v2/vals/{val['id']}")).status_code == 200
    refused = [
        await readonly.post("/v2/vals", json={"name": "another", "privacy": "public"}),
        await readonly.delete(f"/v2/vals/{val['id']}"),
        await readonly.post(f"/v2/vals/{val['id']}/branches", json={"name": "another"}),
        await readonly.put(f"/v2/vals/{val['id']}/files", params={"path": "main.ts"}, json={"content": ""}),
        await readonly.delete(f"/v2/vals/{val['id']}/files", params={"path": "", "recursive": "true"}),
    ]
    assert [response.status_code for response in refused] == [403] * len(refused)
    assert {response.json()["message"] for response in refused} == {
        "Token does not have the required permissions."
    }
    assert (await readonly.get(f"/v2/vals/{val['id']}")).status_code == 200


async def test_a_token_for_vals_alone_may_not_read_users(connect: Connect) -> None:
    client = connect("vtwn_sandbox_ada_vals")
    assert (await client.get("/v2/me/vals")).status_code == 200
    assert (await client.get("/v1/me")).status_code == 403
    assert (await client.get("/v1/alias/ada")).status_code == 403


async def test_me_is_the_account_of_the_token(ada: httpx.AsyncClient, grace: httpx.AsyncClient) -> None:
    first, second = (await ada.get("/v1/me")).json(), (await grace.get("/v1/me")).json()
    assert (first["id"], first["username"], first["tier"]) == (ADA.id, "ada", "pro")
    assert (second["id"], second["username"], second["tier"]) == (GRACE.id, "grace", "free")
    assert "@" in first["email"]
    assert first["email"] != second["email"]


async def test_a_user_is_found_by_name_and_by_id_without_email(ada: httpx.AsyncClient) -> None:
    by_name = await ada.get("/v1/alias/grace")
    by_id = await ada.get(f"/v1/users/{GRACE.id.upper()}")
    assert by_name.json() == by_id.json()
    assert "email" not in by_name.json()
    assert (await ada.get(by_name.json()["links"]["self"])).json() == by_name.json()


async def test_unknown_users_are_not_found(ada: httpx.AsyncClient) -> None:
    assert (await ada.get("/v1/alias/nobody")).status_code == 404
    assert (await ada.get("/v1/users/00000000-0000-4000-8000-000000000000")).status_code == 404
    assert (await ada.get("/v1/users/ada")).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/run"),
        ("GET", "/v1/search/vals"),
        ("GET", "/v2/vals/"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("PATCH", "/v2/vals/ada00000-0000-4000-8000-000000000001"),
        ("PUT", "/v2/vals/ada00000-0000-4000-8000-000000000001"),
        ("POST", "/v1/me"),
    ],
)
async def test_what_is_not_documented_is_not_found(ada: httpx.AsyncClient, method: str, path: str) -> None:
    response = await ada.request(method, path)
    assert response.status_code == 404
    assert isinstance(response.json()["message"], str)


async def test_the_start_page_shows_the_tokens_to_anyone(connect: Connect) -> None:
    anyone = connect(None)
    as_json = await anyone.get("/", headers={"Accept": "application/json"})
    as_html = await anyone.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    shown = {item["token"] for item in as_json.json()["tokens"]}
    assert {"vtwn_sandbox_ada", "vtwn_sandbox_grace", "vtwn_sandbox_ada_readonly"} <= shown
    assert as_html.headers["content-type"].startswith("text/html")
    assert all(token in as_html.text for token in shown)


@pytest.mark.parametrize("host", ['a"><script>', "a b", "[", ""])
async def test_a_host_that_is_none_is_refused_and_never_shown(connect: Connect, host: str) -> None:
    response = await connect(None).get("/", headers={"Host": host, "Accept": "text/html"})
    assert response.status_code == 400
    assert "<script>" not in response.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9100", "[::1]:9100", "val-town.example"])
async def test_links_lead_to_the_host_that_was_asked(connect: Connect, host: str) -> None:
    response = await connect("vtwn_sandbox_ada").get("/v1/me", headers={"Host": host})
    assert response.json()["links"]["self"] == f"http://{host}/v1/users/{ADA.id}"


async def test_it_says_that_it_is_well(connect: Connect) -> None:
    response = await connect(None).get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
