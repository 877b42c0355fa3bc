"""Branches: fork, find, list, delete."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def main_of(client: httpx.AsyncClient, val: dict[str, Any]) -> dict[str, Any]:
    return dict((await client.get(f"/v2/vals/{val['id']}/branches")).json()["data"][0])


async def test_a_val_is_born_with_main_at_version_0(ada: httpx.AsyncClient, val: dict[str, Any]) -> None:
    page = (await ada.get(f"/v2/vals/{val['id']}/branches")).json()
    assert [(branch["name"], branch["version"]) for branch in page["data"]] == [("main", 0)]
    main = page["data"][0]
    assert main["forkedBranchId"] is None
    assert (await ada.get(f"/v2/vals/{val['id']}/branches/{main['id']}")).json() == main
    assert (await ada.get(main["links"]["self"])).json() == main


async def test_a_fork_has_the_files_of_its_source_and_its_own_future(
    ada: httpx.AsyncClient, val: dict[str, Any], write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    original = await write("src/main.ts")
    main = await main_of(ada, val)
    response = await ada.post(f"/v2/vals/{val['id']}/branches", json={"name": "$[a](b)-_.9"})
    assert response.status_code == 201
    fork = response.json()
    assert fork["forkedBranchId"] == main["id"]
    await write("only-here.ts", branch_id=fork["id"])
    assert await paths(branch_id=fork["id"]) == ["only-here.ts", "src", "src/main.ts"]
    assert await paths() == ["src", "src/main.ts"]
    copied = await ada.get(
        f"/v2/vals/{val['id']}/files", params={"path": "src/main.ts", "branch_id": fork["id"]}
    )
    assert copied.json()["data"][0]["id"] == original["id"]
    assert (await ada.get(f"/v2/files/{original['id']}")).json() == original
    after = (await ada.get(f"/v2/vals/{val['id']}/branches/{fork['id']}")).json()
    assert after["version"] == fork["version"] + 1
    assert (await main_of(ada, val))["version"] == 1


async def test_a_fork_of_a_fork_names_its_source(
    ada: httpx.AsyncClient, val: dict[str, Any], write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    branches = f"/v2/vals/{val['id']}/branches"
    first = (await ada.post(branches, json={"name": "first"})).json()
    await write("on-first.ts", branch_id=first["id"])
    second = (await ada.post(branches, json={"name": "second", "branchId": first["id"]})).json()
    assert second["forkedBranchId"] == first["id"]
    assert await paths(branch_id=second["id"]) == ["on-first.ts"]


async def test_a_branch_name_is_taken_within_a_val_only(ada: httpx.AsyncClient, val: dict[str, Any]) -> None:
    other = (await ada.post("/v2/vals", json={"name": "other", "privacy": "public"})).json()
    assert (await ada.post(f"/v2/vals/{val['id']}/branches", json={"name": "next"})).status_code == 201
    assert (await ada.post(f"/v2/vals/{val['id']}/branches", json={"name": "next"})).status_code == 409
    assert (await ada.post(f"/v2/vals/{val['id']}/branches", json={"name": "main"})).status_code == 409
    assert (await ada.post(f"/v2/vals/{other['id']}/branches", json={"name": "next"})).status_code == 201


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "a" * 49}, {"name": "a b"}, {"name": "a/b"}, {"name": 1}, {"branchId": "x"}],
)
async def test_a_branch_outside_the_schema_is_a_bad_request(
    ada: httpx.AsyncClient, val: dict[str, Any], body: dict[str, object]
) -> None:
    assert (await ada.post(f"/v2/vals/{val['id']}/branches", json=body)).status_code == 400


async def test_a_branch_of_another_val_is_not_found(ada: httpx.AsyncClient, val: dict[str, Any]) -> None:
    example = (await ada.get("/v2/alias/vals/ada/hello-http")).json()
    foreign = (await main_of(ada, example))["id"]
    assert (await ada.get(f"/v2/vals/{example['id']}/branches/{foreign}")).status_code == 200
    for branch_id in (foreign, NOWHERE):
        assert (await ada.get(f"/v2/vals/{val['id']}/branches/{branch_id}")).status_code == 404
        assert (await ada.delete(f"/v2/vals/{val['id']}/branches/{branch_id}")).status_code == 404
        files = {"path": "", "branch_id": branch_id}
        assert (await ada.get(f"/v2/vals/{val['id']}/files", params=files)).status_code == 404
        fork = {"name": "stolen", "branchId": branch_id}
        assert (await ada.post(f"/v2/vals/{val['id']}/branches", json=fork)).status_code == 404
    assert (await ada.get(f"/v2/vals/{val['id']}/branches/main")).status_code == 400


async def test_a_deleted_branch_is_gone_and_its_forks_stay(
    ada: httpx.AsyncClient, val: dict[str, Any]
) -> None:
    branches = f"/v2/vals/{val['id']}/branches"
    first = (await ada.post(branches, json={"name": "first"})).json()
    second = (await ada.post(branches, json={"name": "second", "branchId": first["id"]})).json()
    response = await ada.delete(f"{branches}/{first['id']}", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.content) == (204, b"")
    assert (await ada.get(f"{branches}/{first['id']}")).status_code == 404
    assert (await ada.get(f"{branches}/{second['id']}")).json()["forkedBranchId"] is None


async def test_main_stays(ada: httpx.AsyncClient, val: dict[str, Any]) -> None:
    main = await main_of(ada, val)
    assert (await ada.delete(f"/v2/vals/{val['id']}/branches/{main['id']}")).status_code == 400
    assert await main_of(ada, val) == main


async def test_a_val_has_at_most_100_branches_and_they_can_be_walked(
    ada: httpx.AsyncClient, val: dict[str, Any]
) -> None:
    branches = f"/v2/vals/{val['id']}/branches"
    for number in range(99):
        assert (await ada.post(branches, json={"name": f"b{number}"})).status_code == 201
    assert (await ada.post(branches, json={"name": "one-too-many"})).status_code == 400
    names: list[str] = []
    url: str | None = f"{branches}?limit=40"
    while url:
        page = (await ada.get(url)).json()
        names += [branch["name"] for branch in page["data"]]
        url = page["links"].get("next")
    assert names == ["main", *(f"b{number}" for number in range(99))]
