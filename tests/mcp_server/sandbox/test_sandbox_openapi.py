"""Every documented answer of the families built so far, against Val Town's own OpenAPI document.

All answers in this folder are checked as they arrive (conftest.py); here each operation gives all it may.
"""

import httpx
import openapi_contract
import pytest

pytestmark = pytest.mark.anyio

FAMILIES = ("/v1/me", "/v1/alias/", "/v1/users/", "/v2/vals", "/v2/alias/", "/v2/me/", "/v2/files/")
LATER = ("/environment_variables",)
# PUT makes no file that is not there (the tests of val-town/vt expect an error), so it never says 201.
NEVER = {("put", "/v2/vals/{val_id}/files", 201)}


async def test_every_documented_answer_is_given_as_documented(
    ada: httpx.AsyncClient, contract: openapi_contract.OpenApiContract | None
) -> None:
    if contract is None:
        pytest.skip(f"{openapi_contract.VARIABLE} names no OpenAPI document, or jsonschema is not installed")
    contract.seen.clear()
    await tour(ada)
    expected = {
        (method, path, int(status))
        for path, operations in contract.document["paths"].items()
        if path.startswith(FAMILIES) and not any(part in path for part in LATER)
        for method, operation in operations.items()
        for status in operation["responses"]
    }
    assert expected - contract.seen == NEVER


async def tour(ada: httpx.AsyncClient) -> None:
    me = (await ada.get("/v1/me")).json()
    await ada.get("/v1/alias/ada")
    await ada.get(f"/v1/users/{me['id']}")
    await ada.get("/v2/me/vals")
    await ada.get("/v2/vals")
    new = {"name": "tour", "privacy": "private"}
    val = (await ada.post("/v2/vals", json=new)).json()
    await ada.post("/v2/vals", json=new)
    await ada.get("/v2/alias/vals/ada/tour")
    root = f"/v2/vals/{val['id']}"
    await ada.get(root)
    await tour_branches(ada, f"{root}/branches")
    await tour_files(ada, f"{root}/files")
    await ada.delete(root)
    await ada.delete(root)


async def tour_branches(ada: httpx.AsyncClient, branches: str) -> None:
    branch = (await ada.post(branches, json={"name": "tour"})).json()
    await ada.post(branches, json={"name": "tour"})
    await ada.get(branches)
    await ada.get(f"{branches}/{branch['id']}")
    await ada.delete(f"{branches}/{branch['id']}")
    await ada.delete(f"{branches}/{branch['id']}")


async def tour_files(ada: httpx.AsyncClient, files: str) -> None:
    for kind in ("file", "interval", "http", "email", "script"):
        await ada.post(files, params={"path": f"dir/{kind}"}, json={"type": kind, "content": kind})
    await ada.post(files, params={"path": "dir"}, json={"type": "directory"})
    await ada.put(files, params={"path": "dir/file"}, json={"content": "new"})
    listed = await ada.get(files, params={"path": "", "recursive": "true"})
    for entry in listed.json()["data"]:
        await ada.get(f"/v2/files/{entry['id']}")
    content = {"path": "dir/file"}
    tag = (await ada.get(f"{files}/content", params=content)).headers["etag"]
    await ada.get(f"{files}/content", params=content, headers={"If-None-Match": tag})
    await ada.get(f"{files}/content", params=content, headers={"If-Match": '"other"'})
    await ada.delete(files, params={"path": "dir", "recursive": "true"})
    await ada.delete(files, params={"path": "dir"})
