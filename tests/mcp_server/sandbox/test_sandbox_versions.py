"""Earlier versions of a branch, and conditional reads of content (RFC 9110 section 13)."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
def files(val: dict[str, Any]) -> str:
    return f"/v2/vals/{val['id']}/files"


async def version_of(client: httpx.AsyncClient, val: dict[str, Any]) -> int:
    return int((await client.get(f"/v2/vals/{val['id']}/branches")).json()["data"][0]["version"])


async def test_every_write_is_one_version_and_every_version_can_be_read(
    ada: httpx.AsyncClient,
    val: dict[str, Any],
    files: str,
    write: Callable[..., Any],
    paths: Callable[..., Any],
) -> None:
    await write("a.ts", "one")
    await ada.put(files, params={"path": "a.ts"}, json={"content": "two"})
    await write("dir/b.ts", "other")
    await ada.put(files, params={"path": "a.ts"}, json={"parent_path": "dir"})
    await ada.put(files, params={"path": "dir"}, json={"name": "lib"})
    await ada.delete(files, params={"path": "lib", "recursive": "true"})
    await write("a.ts", "three")
    assert await version_of(ada, val) == 7
    history = [await paths(version=str(version)) for version in range(8)]
    assert history == [
        [],
        ["a.ts"],
        ["a.ts"],
        ["a.ts", "dir", "dir/b.ts"],
        ["dir", "dir/a.ts", "dir/b.ts"],
        ["lib", "lib/a.ts", "lib/b.ts"],
        [],
        ["a.ts"],
    ]
    read = []
    for version, path in (
        (1, "a.ts"),
        (2, "a.ts"),
        (3, "a.ts"),
        (4, "dir/a.ts"),
        (5, "lib/a.ts"),
        (7, "a.ts"),
    ):
        response = await ada.get(f"{files}/content", params={"path": path, "version": version})
        read.append(response.text)
    assert read == ["one", "two", "two", "two", "two", "three"]
    assert (await ada.get(f"{files}/content", params={"path": "a.ts", "version": 6})).status_code == 404


async def test_an_entry_names_the_version_that_made_it(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any]
) -> None:
    await write("a.ts")
    await write("b.ts")
    await ada.put(files, params={"path": "a.ts"}, json={"content": "new"})
    listed = (await ada.get(files, params={"path": ""})).json()["data"]
    assert {item["path"]: item["version"] for item in listed} == {"a.ts": 3, "b.ts": 2}
    before = (await ada.get(files, params={"path": "a.ts", "version": 2})).json()["data"][0]
    assert before["version"] == 1


async def test_a_version_past_the_newest_reads_as_the_newest(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    await write("a.ts", "newest")
    assert await paths(version="99") == ["a.ts"]
    response = await ada.get(f"{files}/content", params={"path": "a.ts", "version": 2**53 - 1})
    assert response.text == "newest"


async def test_refusals_and_empty_changes_are_no_versions(
    ada: httpx.AsyncClient, val: dict[str, Any], files: str, write: Callable[..., Any]
) -> None:
    await write("a.ts")
    await ada.post(files, params={"path": "a.ts"}, json={"type": "file", "content": ""})
    await ada.put(files, params={"path": "b.ts"}, json={"content": ""})
    assert (await ada.put(files, params={"path": "a.ts"}, json={})).status_code == 200
    await ada.delete(files, params={"path": "b.ts"})
    assert await version_of(ada, val) == 1


async def test_writing_moves_the_dates_of_file_and_branch(
    ada: httpx.AsyncClient, val: dict[str, Any], clock: Any, files: str, write: Callable[..., Any]
) -> None:
    await write("a.ts")
    await write("b.ts")
    clock.seconds += 60.5
    changed = (await ada.put(files, params={"path": "a.ts"}, json={"content": "new"})).json()
    branch = (await ada.get(f"/v2/vals/{val['id']}/branches")).json()["data"][0]
    assert changed["updatedAt"] == branch["updatedAt"] == "2023-11-14T22:14:20.500Z"
    other = (await ada.get(files, params={"path": "b.ts"})).json()["data"][0]
    assert other["updatedAt"] < changed["updatedAt"]
    assert branch["createdAt"] < branch["updatedAt"]


async def test_the_tag_is_that_of_the_content(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any]
) -> None:
    for path, content in (("a.ts", "same"), ("b.ts", "same"), ("c.ts", "other")):
        await write(path, content)
    tags = [
        (await ada.get(f"{files}/content", params={"path": path})).headers["etag"]
        for path in ("a.ts", "b.ts", "c.ts")
    ]
    assert tags[0] == tags[1] != tags[2]


EARLIER, MADE, LATER = (f"Tue, 14 Nov 2023 22:13:{second} GMT" for second in ("19", "20", "21"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"If-None-Match": "TAG"}, 304),
        ({"If-None-Match": "W/TAG"}, 304),
        ({"If-None-Match": '"other", TAG'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "unquoted"}, 200),
        ({"If-Match": "TAG"}, 200),
        ({"If-Match": '"other", TAG'}, 200),
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": "W/TAG"}, 412),
        ({"If-Modified-Since": EARLIER}, 200),
        ({"If-Modified-Since": MADE}, 304),
        ({"If-Modified-Since": LATER}, 304),
        ({"If-Modified-Since": "yesterday"}, 200),
        ({"If-Unmodified-Since": EARLIER}, 412),
        ({"If-Unmodified-Since": MADE}, 200),
        ({"If-Unmodified-Since": LATER}, 200),
        ({"If-Unmodified-Since": "yesterday"}, 200),
        ({"If-None-Match": '"other"', "If-Modified-Since": LATER}, 200),
        ({"If-Match": "TAG", "If-Unmodified-Since": EARLIER}, 200),
        ({"If-Match": '"other"', "If-None-Match": "TAG"}, 412),
        ({"If-Match": "TAG", "If-None-Match": "TAG"}, 304),
    ],
)
async def test_preconditions_decide(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], headers: dict[str, str], status: int
) -> None:
    await write("a.ts", "content")
    plain = await ada.get(f"{files}/content", params={"path": "a.ts"})
    tag = plain.headers["etag"]
    assert plain.headers["last-modified"] == MADE
    sent = {name: value.replace("TAG", tag) for name, value in headers.items()}
    response = await ada.get(f"{files}/content", params={"path": "a.ts"}, headers=sent)
    assert response.status_code == status
    if status == 304:
        assert (response.content, response.headers["etag"]) == (b"", tag)
    if status == 412:
        assert response.json() == "Precondition failed"
    if status == 200:
        assert response.content == b"content"
