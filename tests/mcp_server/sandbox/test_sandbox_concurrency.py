"""Many at once: names stay unique, no version is lost."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


async def at_once(*requests: Any) -> list[httpx.Response]:
    return list(await asyncio.gather(*requests))


async def test_of_many_vals_with_one_name_one_is_made(ada: httpx.AsyncClient) -> None:
    for number in range(5):
        body = {"name": f"contested-{number}", "privacy": "public"}
        responses = await at_once(*(ada.post("/v2/vals", json=body) for _ in range(16)))
        assert sorted(response.status_code for response in responses) == [201] + [409] * 15


async def test_vals_made_at_once_all_have_their_own_date(ada: httpx.AsyncClient) -> None:
    await at_once(*(ada.post("/v2/vals", json={"name": f"v{n}", "privacy": "public"}) for n in range(30)))
    page = (await ada.get("/v2/vals?limit=100")).json()["data"]
    assert len({val["createdAt"] for val in page}) == len(page) == 33


async def test_of_many_files_at_one_path_one_is_made(ada: httpx.AsyncClient, val: dict[str, Any]) -> None:
    body = {"type": "file", "content": ""}
    url = f"/v2/vals/{val['id']}/files"
    responses = await at_once(*(ada.post(url, params={"path": "deep/one.ts"}, json=body) for _ in range(16)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 15


async def test_no_version_is_lost_or_given_twice(
    ada: httpx.AsyncClient, val: dict[str, Any], write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    made = await asyncio.gather(*(write(f"dir{n % 3}/f{n}.ts") for n in range(40)))
    assert sorted(file["version"] for file in made) == list(range(1, 41))
    branch = (await ada.get(f"/v2/vals/{val['id']}/branches")).json()["data"][0]
    assert branch["version"] == 40
    assert len(await paths()) == 43


async def test_writers_and_readers_do_not_disturb_each_other(
    ada: httpx.AsyncClient, val: dict[str, Any], write: Callable[..., Any]
) -> None:
    await write("main.ts", "0")
    files = f"/v2/vals/{val['id']}/files"
    writes = [ada.put(files, params={"path": "main.ts"}, json={"content": str(n)}) for n in range(30)]
    reads = [ada.get(f"{files}/content", params={"path": "main.ts"}) for _ in range(30)]
    responses = await at_once(*(request for pair in zip(writes, reads, strict=True) for request in pair))
    assert {response.status_code for response in responses} == {200}
    assert {response.text for response in responses[1::2]} <= {str(n) for n in range(30)}


async def test_of_many_branches_with_one_name_one_is_made(
    ada: httpx.AsyncClient, val: dict[str, Any]
) -> None:
    url = f"/v2/vals/{val['id']}/branches"
    responses = await at_once(*(ada.post(url, json={"name": "contested"}) for _ in range(16)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 15
