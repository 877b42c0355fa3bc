"""Every documented answer, against Val Town's own OpenAPI document.

All answers in this folder are checked as they arrive (conftest.py); here each operation gives all it may.
"""

import httpx
import pytest

from tests.support import openapi_contract

pytestmark = pytest.mark.anyio

# Tokens of other services: nothing of ours may ever ask for them.
LEFT_OUT = "/v3/connections/"
NEVER = {
    # PUT makes no file that is not there (the tests of val-town/vt expect an error).
    ("put", "/v2/vals/{val_id}/files", 201),
    # Messages are kept, which does not fail.
    ("post", "/v1/email", 500),
}


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
        if not path.startswith(LEFT_OUT)
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
    await tour_environment(ada, f"{root}/environment_variables")
    await ada.delete(root)
    await ada.delete(root)
    org = (await ada.get("/v2/orgs")).json()["data"][0]
    await ada.get(f"/v2/orgs/{org['id']}/memberships")
    await tour_storage(ada)
    await ada.get("/v1/telemetry/traces")
    await ada.get("/v1/telemetry/logs")
    await ada.post("/v1/email", json={"subject": "tour", "text": "hello"})


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


async def tour_environment(ada: httpx.AsyncClient, variables: str) -> None:
    await ada.post(variables, json={"key": "TOUR", "value": "secret"})
    await ada.post(variables, json={"key": "TOUR", "value": "secret"})
    await ada.put(f"{variables}/TOUR", json={"value": "new"})
    await ada.get(variables)
    await ada.delete(f"{variables}/TOUR")
    await ada.delete(f"{variables}/TOUR")


async def tour_storage(ada: httpx.AsyncClient) -> None:
    for version in ("v1", "v2"):
        await ada.post(f"/{version}/blob/tour%2Fone", content=b"\x00\xff")
        await ada.post(f"/{version}/blob/{'x' * 513}", content=b"")
        await ada.get(f"/{version}/blob")
        await ada.get(f"/{version}/blob/tour%2Fone")
        await ada.delete(f"/{version}/blob/tour%2Fone")
    await ada.post("/v1/sqlite/execute", json={"statement": "CREATE TABLE tour (a INTEGER)"})
    statements = [{"sql": "INSERT INTO tour VALUES (?)", "args": [1]}, "SELECT a FROM tour"]
    await ada.post("/v1/sqlite/batch", json={"statements": statements, "mode": "write"})
