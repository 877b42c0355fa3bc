"""Files and directories of a branch: create, list, rename, move, delete."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
def files(val: dict[str, Any]) -> str:
    return f"/v2/vals/{val['id']}/files"


async def test_a_created_file_is_listed_and_read(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any]
) -> None:
    made = await write("main.ts", "export default 1;\n", "script")
    assert (made["name"], made["path"], made["type"], made["version"]) == ("main.ts", "main.ts", "script", 1)
    assert (await ada.get(files, params={"path": ""})).json()["data"] == [made]
    assert (await ada.get(files, params={"path": "main.ts"})).json()["data"] == [made]
    assert (await ada.get(f"/v2/files/{made['id']}")).json() == made
    content = await ada.get(f"{files}/content", params={"path": "main.ts"})
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.text == "export default 1;\n"


@pytest.mark.parametrize("kind", ["file", "interval", "http", "email", "script", "directory"])
async def test_links_fit_the_type(write: Callable[..., Any], kind: str) -> None:
    links = (await write("entry", "", kind))["links"]
    assert {"self", "html", "module"} <= set(links)
    assert ("endpoint" in links) == (kind == "http")
    assert ("email" in links) == (kind == "email")


async def test_missing_directories_are_made_in_the_same_version(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    await write("a/b/c.ts")
    await write("d/e", kind="directory")
    assert await paths() == ["a", "a/b", "a/b/c.ts", "d", "d/e"]
    versions = (await ada.get(files, params={"path": "", "recursive": "true"})).json()["data"]
    assert [item["version"] for item in versions] == [1, 1, 1, 2, 2]


async def test_a_list_is_of_one_directory_or_of_all_below(
    write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    for path in ("a/b/c.ts", "a/d.ts", "a.ts", "a-b/e.ts", "ab.ts", "a0.ts"):
        await write(path)
    assert await paths("", recursive=False) == ["a", "a-b", "a.ts", "a0.ts", "ab.ts"]
    assert await paths("a", recursive=False) == ["a/b", "a/d.ts"]
    assert await paths("a") == ["a/b", "a/b/c.ts", "a/d.ts"]
    assert await paths("a/b/c.ts") == ["a/b/c.ts"]


async def test_a_list_of_files_is_walked_by_offset(
    ada: httpx.AsyncClient, val: dict[str, Any], write: Callable[..., Any]
) -> None:
    for number in range(5):
        await write(f"[{number}]+".replace("+", "$"))
    main = (await ada.get(f"/v2/vals/{val['id']}/branches")).json()["data"][0]
    url: str | None = f"/v2/vals/{val['id']}/files?path=&recursive=true&limit=2&branch_id={main['id']}"
    seen: list[str] = []
    while url:
        page = (await ada.get(url)).json()
        seen += [item["path"] for item in page["data"]]
        url = page["links"].get("next")
    assert seen == [f"[{number}]$" for number in range(5)]


@pytest.mark.parametrize("path", ["nothing.ts", "main.ts/below", "/main.ts", "main.ts/", "../main.ts"])
async def test_what_is_not_there_is_not_found(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], path: str
) -> None:
    await write("main.ts")
    query = {"path": path}
    assert (await ada.get(files, params=query)).status_code == 404
    assert (await ada.get(f"{files}/content", params=query)).status_code == 404
    assert (await ada.put(files, params=query, json={"content": ""})).status_code == 404
    assert (await ada.delete(files, params=query)).status_code == 404


async def test_a_directory_has_no_content(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any]
) -> None:
    await write("dir", kind="directory")
    assert (await ada.get(f"{files}/content", params={"path": "dir"})).status_code == 404
    assert (await ada.get(f"{files}/content", params={"path": ""})).status_code == 404


async def test_a_taken_path_is_a_conflict(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    await write("a/b.ts")
    for path in ("a", "a/b.ts"):
        for body in ({"type": "directory"}, {"type": "file", "content": "other"}):
            response = await ada.post(files, params={"path": path}, json=body)
            assert response.status_code == 409
    assert (await ada.get(f"{files}/content", params={"path": "a/b.ts"})).text == "text"
    assert await paths() == ["a", "a/b.ts"]


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a b", "a\\b", "ä", "a" * 49, "a?", "a\0", "a\n"]
)
async def test_a_path_outside_the_rule_is_a_bad_request(
    ada: httpx.AsyncClient, files: str, paths: Callable[..., Any], path: str
) -> None:
    response = await ada.post(files, params={"path": path}, json={"type": "file", "content": ""})
    assert response.status_code == 400
    assert await paths() == []


@pytest.mark.parametrize("path", ["a", ".vtignore", "$a[b](c)-_.9", "a" * 48, "..."])
async def test_a_path_within_the_rule_is_taken(
    write: Callable[..., Any], paths: Callable[..., Any], path: str
) -> None:
    await write(path)
    assert await paths() == [path]


async def test_a_file_is_no_directory(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    await write("main.ts")
    response = await ada.post(
        files, params={"path": "main.ts/sub/b.ts"}, json={"type": "file", "content": ""}
    )
    assert response.status_code == 400
    assert await paths() == ["main.ts"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "file"},
        {"type": "file", "content": None},
        {"type": "file", "content": 5},
        {"type": "directory", "content": ""},
        {"type": "folder"},
        {"content": "no type"},
        {"type": "file", "content": "x" * 80_001},
    ],
)
async def test_a_file_outside_the_schema_is_a_bad_request(
    ada: httpx.AsyncClient, files: str, body: dict[str, object]
) -> None:
    response = await ada.post(files, params={"path": "main.ts"}, json=body)
    assert response.status_code == 400
    assert isinstance(response.json()["message"], str)


@pytest.mark.parametrize("content", ["", "x" * 80_000, "🚀" * 80_000, "\0\r\n\u2028"])
async def test_content_is_kept_to_the_character(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], content: str
) -> None:
    await write("main.ts", content)
    assert (await ada.get(f"{files}/content", params={"path": "main.ts"})).content == content.encode()


async def test_a_directory_may_be_made_with_content_null(ada: httpx.AsyncClient, files: str) -> None:
    body = {"type": "directory", "content": None}
    assert (await ada.post(files, params={"path": "dir"}, json=body)).status_code == 201


async def test_the_path_is_needed(ada: httpx.AsyncClient, files: str) -> None:
    assert (await ada.get(files)).status_code == 400
    assert (await ada.get(f"{files}/content")).status_code == 400
    assert (await ada.post(files, json={"type": "directory"})).status_code == 400
    assert (await ada.put(files, json={})).status_code == 400
    assert (await ada.delete(files)).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["recursive=1", "recursive=yes", "version=-1", "version=x", "branch_id=main", "limit=101", "offset=-1"],
)
async def test_a_query_outside_the_schema_is_a_bad_request(
    ada: httpx.AsyncClient, files: str, query: str
) -> None:
    assert (await ada.get(f"{files}?path=&{query}")).status_code == 400


async def test_content_and_type_change_and_the_id_stays(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any]
) -> None:
    made = await write("main.ts", "old", "script")
    response = await ada.put(files, params={"path": "main.ts"}, json={"content": "new", "type": "http"})
    assert response.status_code == 200
    changed = response.json()
    assert (changed["id"], changed["type"], changed["version"]) == (made["id"], "http", 2)
    assert "endpoint" in changed["links"]
    assert (await ada.get(f"{files}/content", params={"path": "main.ts"})).text == "new"


async def test_a_file_is_renamed_and_moved(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    made = await write("main.ts")
    await write("lib", kind="directory")
    steps: list[tuple[str, dict[str, object], str]] = [
        ("main.ts", {"name": "app.ts"}, "app.ts"),
        ("app.ts", {"parent_path": "lib"}, "lib/app.ts"),
        ("lib/app.ts", {"name": "main.ts", "parent_path": None, "content": "moved"}, "main.ts"),
        ("main.ts", {"name": "main.ts"}, "main.ts"),
    ]
    for version, (path, body, target) in enumerate(steps, start=3):
        response = await ada.put(files, params={"path": path}, json=body)
        assert response.status_code == 200
        moved = response.json()
        assert (moved["path"], moved["id"], moved["version"]) == (target, made["id"], version)
    assert await paths() == ["lib", "main.ts"]
    assert (await ada.get(f"{files}/content", params={"path": "main.ts"})).text == "moved"


async def test_a_directory_moves_with_all_in_it(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    inner = await write("a/b/c.ts", "inner")
    await write("a-b.ts")
    await write("z", kind="directory")
    response = await ada.put(files, params={"path": "a"}, json={"name": "y", "parent_path": "z"})
    assert response.json()["path"] == "z/y"
    assert await paths() == ["a-b.ts", "z", "z/y", "z/y/b", "z/y/b/c.ts"]
    moved = (await ada.get(files, params={"path": "z/y/b/c.ts"})).json()["data"][0]
    assert (moved["id"], moved["name"]) == (inner["id"], "c.ts")
    assert (await ada.get(f"{files}/content", params={"path": "z/y/b/c.ts"})).text == "inner"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("a.ts", {"name": "b.ts"}, 409),
        ("a.ts", {"parent_path": "dir", "name": "in.ts"}, 409),
        ("a.ts", {"parent_path": "nowhere"}, 404),
        ("a.ts", {"parent_path": "b.ts"}, 404),
        ("a.ts", {"parent_path": "../up"}, 400),
        ("a.ts", {"parent_path": 5}, 400),
        ("a.ts", {"name": ""}, 400),
        ("a.ts", {"name": None}, 400),
        ("a.ts", {"name": "c/d.ts"}, 400),
        ("a.ts", {"name": ".."}, 400),
        ("a.ts", {"name": "x" * 49}, 400),
        ("a.ts", {"content": None}, 400),
        ("a.ts", {"content": "x" * 80_001}, 400),
        ("a.ts", {"type": "directory"}, 400),
        ("dir", {"content": "text"}, 400),
        ("dir", {"type": "file"}, 400),
        ("dir", {"parent_path": "dir"}, 400),
        ("dir", {"parent_path": "dir/sub"}, 400),
        ("", {"name": "root"}, 404),
    ],
)
async def test_a_change_that_cannot_be_changes_nothing(
    ada: httpx.AsyncClient,
    files: str,
    write: Callable[..., Any],
    path: str,
    body: dict[str, object],
    status: int,
) -> None:
    for made in ("a.ts", "b.ts", "dir/in.ts", "dir/sub/x.ts"):
        await write(made)
    before = (await ada.get(files, params={"path": "", "recursive": "true"})).json()["data"]
    response = await ada.put(files, params={"path": path}, json=body)
    assert response.status_code == status, response.text
    assert (await ada.get(files, params={"path": "", "recursive": "true"})).json()["data"] == before


async def test_a_file_is_deleted_and_its_path_free(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    first = await write("main.ts")
    response = await ada.delete(
        files, params={"path": "main.ts"}, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.content) == (204, b"")
    assert await paths() == []
    assert (await ada.get(f"/v2/files/{first['id']}")).status_code == 404
    assert (await write("main.ts"))["id"] != first["id"]


async def test_a_directory_is_deleted_with_all_in_it_when_asked(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    for path in ("a/b/c.ts", "a/d.ts", "a-b/e.ts", "ab.ts"):
        await write(path)
    await write("empty", kind="directory")
    assert (await ada.delete(files, params={"path": "a"})).status_code == 400
    assert (await ada.delete(files, params={"path": "empty"})).status_code == 204
    assert (await ada.delete(files, params={"path": "a", "recursive": "true"})).status_code == 204
    assert await paths() == ["a-b", "a-b/e.ts", "ab.ts"]


async def test_everything_is_deleted_when_asked(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any], paths: Callable[..., Any]
) -> None:
    await write("a/b.ts")
    assert (await ada.delete(files, params={"path": ""})).status_code == 400
    assert await paths() == ["a", "a/b.ts"]
    assert (await ada.delete(files, params={"path": "", "recursive": "true"})).status_code == 204
    assert await paths() == []


async def test_a_branch_has_at_most_1000_files(
    ada: httpx.AsyncClient, files: str, write: Callable[..., Any]
) -> None:
    for number in range(1000):
        await write(f"dir{number % 7}/f{number}")
    full = await ada.post(files, params={"path": "dir0/more"}, json={"type": "file", "content": ""})
    assert full.status_code == 400
    assert (await ada.delete(files, params={"path": "dir0/f0"})).status_code == 204
    await write("dir0/more")


async def test_a_path_of_too_many_directories_is_a_bad_request(ada: httpx.AsyncClient, files: str) -> None:
    body = {"type": "file", "content": ""}
    assert (await ada.post(files, params={"path": "a/" * 1001 + "b"}, json=body)).status_code == 400
    assert (await ada.post(files, params={"path": "a/" * 50 + "b"}, json=body)).status_code == 201
