"""Vals: create, find, list, delete; who sees which."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_server.sandbox.accounts import ADA, GRACE
from mcp_server.sandbox.app import create_app

pytestmark = pytest.mark.anyio

NOBODY = "00000000-0000-4000-8000-000000000000"


async def make(client: httpx.AsyncClient, name: str, privacy: str = "public", **more: str) -> dict[str, Any]:
    response = await client.post("/v2/vals", json={"name": name, "privacy": privacy, **more})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def names(client: httpx.AsyncClient, **query: str) -> list[str]:
    response = await client.get("/v2/vals", params={"limit": "100", **query})
    assert response.status_code == 200, response.text
    return [val["name"] for val in response.json()["data"]]


async def test_each_account_begins_with_examples(ada: httpx.AsyncClient, grace: httpx.AsyncClient) -> None:
    assert len((await ada.get("/v2/me/vals")).json()["data"]) == 2
    assert len((await grace.get("/v2/me/vals")).json()["data"]) == 1


async def test_a_created_val_is_found_by_id_and_by_name(ada: httpx.AsyncClient) -> None:
    val = await make(ada, "my-val_1", "unlisted", description="What it does")
    assert val["author"] == {"type": "user", "id": ADA.id, "username": "ada"}
    assert (val["privacy"], val["description"], val["imageUrl"]) == ("unlisted", "What it does", None)
    assert (await ada.get(f"/v2/vals/{val['id']}")).json() == val
    assert (await ada.get("/v2/alias/vals/ada/my-val_1")).json() == val
    assert (await ada.get(val["links"]["self"])).json() == val


async def test_a_val_made_without_description_has_none(ada: httpx.AsyncClient) -> None:
    assert (await make(ada, "plain"))["description"] is None


async def test_a_name_is_taken_within_an_account_only(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    await make(ada, "shared-name")
    second = await ada.post("/v2/vals", json={"name": "shared-name", "privacy": "private"})
    assert second.status_code == 409
    assert isinstance(second.json()["message"], str)
    await make(grace, "shared-name")


@pytest.mark.parametrize("name", ["a", "A-b_9", "a" * 48])
async def test_names_within_the_rule_are_taken(ada: httpx.AsyncClient, name: str) -> None:
    await make(ada, name)


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a" * 49},
        {"name": "1a"},
        {"name": "a b"},
        {"name": "ä"},
        {"name": "a\n"},
        {"name": None},
        {"name": 5},
        {"privacy": "secret"},
        {"privacy": None},
        {"description": "x" * 65},
        {"description": None},
        {"orgId": "not-a-uuid"},
    ],
)
async def test_a_val_outside_the_schema_is_a_bad_request(
    ada: httpx.AsyncClient, change: dict[str, object]
) -> None:
    response = await ada.post("/v2/vals", json={"name": "fine", "privacy": "public", **change})
    assert response.status_code == 400
    assert next(iter(change)) in response.json()["message"]


async def test_name_and_privacy_are_needed_and_other_members_ignored(ada: httpx.AsyncClient) -> None:
    assert (await ada.post("/v2/vals", json={"name": "fine"})).status_code == 400
    assert (await ada.post("/v2/vals", json={"privacy": "public"})).status_code == 400
    await make(ada, "fine", unknown="member", description="x" * 64)


async def test_an_unknown_organization_is_not_found(ada: httpx.AsyncClient) -> None:
    response = await ada.post("/v2/vals", json={"name": "fine", "privacy": "public", "orgId": NOBODY})
    assert response.status_code == 404


@pytest.mark.parametrize("privacy", ["private", "unlisted"])
async def test_the_free_tier_makes_public_vals_only(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient, privacy: str
) -> None:
    refused = await grace.post("/v2/vals", json={"name": "hidden", "privacy": privacy})
    assert refused.status_code == 403
    assert "free tier" in refused.json()["message"]
    await make(grace, "hidden", "public")
    await make(ada, "hidden", privacy)


async def test_deleting_is_final_and_empty(ada: httpx.AsyncClient) -> None:
    val = await make(ada, "short-lived")
    response = await ada.delete(f"/v2/vals/{val['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert (await ada.get(f"/v2/vals/{val['id']}")).status_code == 404
    assert (await ada.delete(f"/v2/vals/{val['id']}")).status_code == 404
    await make(ada, "short-lived")


async def test_a_delete_that_claims_an_empty_json_body_is_taken(ada: httpx.AsyncClient) -> None:
    val = await make(ada, "short-lived")
    headers = {"Content-Type": "application/json"}
    assert (await ada.delete(f"/v2/vals/{val['id']}", headers=headers)).status_code == 204


async def test_a_private_val_is_not_found_by_others(ada: httpx.AsyncClient, grace: httpx.AsyncClient) -> None:
    val = await make(ada, "diary", "private")
    file = (await ada.get("/v2/alias/vals/ada/nightly-report")).json()
    files = await ada.get(f"/v2/vals/{file['id']}/files", params={"path": ""})
    unknown = await grace.get(f"/v2/vals/{NOBODY}")
    for path in (
        f"/v2/vals/{val['id']}",
        "/v2/alias/vals/ada/diary",
        f"/v2/vals/{val['id']}/branches",
        f"/v2/vals/{val['id']}/files?path=",
        f"/v2/files/{files.json()['data'][0]['id']}",
    ):
        assert (await ada.get(path)).status_code == 200
        assert (await grace.get(path)).status_code == 404
    assert (await grace.get(f"/v2/vals/{val['id']}")).json() == unknown.json()
    assert (await grace.delete(f"/v2/vals/{val['id']}")).status_code == 404


async def test_what_others_may_read_they_may_not_change(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    val = await make(ada, "open-book", "unlisted")
    files = f"/v2/vals/{val['id']}/files"
    assert (await grace.get(f"/v2/vals/{val['id']}")).status_code == 200
    for refused in (
        await grace.delete(f"/v2/vals/{val['id']}"),
        await grace.post(f"/v2/vals/{val['id']}/branches", json={"name": "mine"}),
        await grace.post(files, params={"path": "mine.ts"}, json={"type": "file", "content": ""}),
        await grace.put(files, params={"path": "mine.ts"}, json={"content": ""}),
        await grace.delete(files, params={"path": "", "recursive": "true"}),
    ):
        assert refused.status_code == 404
        assert "Not authorized" in refused.json()["message"]
    assert (await ada.get(f"/v2/vals/{val['id']}")).status_code == 200


async def test_the_list_has_public_vals_and_all_of_ones_own(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    for privacy in ("public", "unlisted", "private"):
        await make(ada, f"{privacy}-val", privacy)
    assert {"public-val", "unlisted-val", "private-val", "counter"} <= set(await names(ada))
    seen_by_grace = set(await names(grace))
    assert "public-val" in seen_by_grace
    assert not seen_by_grace & {"unlisted-val", "private-val", "nightly-report"}


async def test_the_list_is_narrowed_by_privacy_and_user(ada: httpx.AsyncClient) -> None:
    assert await names(ada, privacy="private") == ["nightly-report"]
    assert await names(ada, user_id=GRACE.id) == ["counter"]
    assert await names(ada, user_id=GRACE.id, privacy="private") == []
    assert await names(ada, user_id=NOBODY) == []


async def test_the_list_is_walked_by_date_without_gap_or_repeat(ada: httpx.AsyncClient) -> None:
    # The clock stands still: even vals made in the same moment are told apart.
    for number in range(7):
        await make(ada, f"val-{number}")
    whole = await names(ada)
    walked: list[str] = []
    url: str | None = "/v2/vals?limit=3"
    while url:
        page = (await ada.get(url)).json()
        assert len(page["data"]) <= 3
        walked += [val["name"] for val in page["data"]]
        assert (await ada.get(page["links"]["self"])).json() == page
        url = page["links"].get("next")
    assert walked == whole
    assert walked[0] == "val-6"


@pytest.mark.parametrize("cursor", ["2000-01-01T00:00:00Z", "2000-01-01T00:00:00.5+02:00"])
async def test_a_date_is_a_cursor(ada: httpx.AsyncClient, cursor: str) -> None:
    assert await names(ada, cursor=cursor) == []


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "many"},
        {"limit": ""},
        {"cursor": "1700000000"},
        {"cursor": "2000-01-01"},
        {"cursor": "2000-01-01T00:00:00"},
        {"cursor": "2000-13-01T00:00:00Z"},
        {"cursor": "http://sandbox.test/v2/vals?cursor=2000-01-01T00:00:00Z"},
        {"user_id": "ada"},
        {"privacy": "secret"},
    ],
)
async def test_a_list_outside_the_schema_is_a_bad_request(
    ada: httpx.AsyncClient, query: dict[str, str]
) -> None:
    response = await ada.get("/v2/vals", params=query)
    assert response.status_code == 400
    assert next(iter(query)) in response.json()["message"]


async def test_own_vals_are_walked_by_offset_both_ways(ada: httpx.AsyncClient) -> None:
    for number in range(5):
        await make(ada, f"val-{number}")
    page = (await ada.get("/v2/me/vals?limit=3")).json()
    assert "prev" not in page["links"]
    seen = [val["name"] for val in page["data"]]
    while "next" in page["links"]:
        page = (await ada.get(page["links"]["next"])).json()
        seen += [val["name"] for val in page["data"]]
    assert seen == ["val-4", "val-3", "val-2", "val-1", "val-0", "nightly-report", "hello-http"]
    back = (await ada.get(page["links"]["prev"])).json()
    assert [val["name"] for val in back["data"]] == ["val-1", "val-0", "nightly-report"]


@pytest.mark.parametrize("query", ["offset=-1", "limit=0", "limit=101", "offset=x", f"offset={10**30}"])
async def test_a_page_outside_the_schema_is_a_bad_request(ada: httpx.AsyncClient, query: str) -> None:
    assert (await ada.get(f"/v2/me/vals?{query}")).status_code == 400


async def test_a_page_past_the_end_is_empty(ada: httpx.AsyncClient) -> None:
    page = (await ada.get("/v2/me/vals?offset=1000&limit=100")).json()
    assert page["data"] == []
    assert "next" not in page["links"]


async def test_a_page_that_ends_with_the_list_has_no_next(ada: httpx.AsyncClient) -> None:
    own = (await ada.get("/v2/me/vals?limit=2")).json()
    assert len(own["data"]) == 2
    assert "next" not in own["links"]
    everything = (await ada.get("/v2/vals?limit=3")).json()
    assert len(everything["data"]) == 3
    assert "next" not in everything["links"]


async def test_unknown_names_are_not_found(ada: httpx.AsyncClient) -> None:
    assert (await ada.get("/v2/alias/vals/ada/nothing")).status_code == 404
    assert (await ada.get("/v2/alias/vals/nobody/hello-http")).status_code == 404
    assert (await ada.get("/v2/vals/hello-http")).status_code == 400


async def test_state_is_kept_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    headers = {"Authorization": "Bearer vtwn_sandbox_ada"}
    seen = []
    for attempt in ("first", "second"):
        app = create_app(folder, base_url="https://api.example/")
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://sandbox.test", headers=headers
        ) as client:
            await make(client, attempt)
            own = (await client.get("/v2/me/vals")).json()
            assert own["links"]["self"].startswith("https://api.example/v2/me/vals?")
            seen.append([val["name"] for val in own["data"]])
        app.state.store.close()
    assert seen == [
        ["first", "nightly-report", "hello-http"],
        ["second", "first", "nightly-report", "hello-http"],
    ]
