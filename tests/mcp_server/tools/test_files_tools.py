"""list_files, read_file, create_file, write_file, delete_file against the sandbox."""

from typing import Any

import httpx
import pytest

from tests.support.tool_caller import Caller, stubbed

pytestmark = pytest.mark.anyio

VAL = "ada/hello-http"


async def paths(caller: Caller, **arguments: object) -> list[str]:
    listed: Any = await caller.ok("list_files", **{"val": VAL, **arguments})
    return [file["path"] for file in listed["files"]]


async def version_of(caller: Caller, path: str) -> int:
    read: Any = await caller.ok("read_file", val=VAL, path=path)
    version: int = read["file"]["version"]
    return version


async def other_branch(caller: Caller) -> str:
    """Make a branch `draft` of the val and return its id."""
    found: Any = await caller.ok("get_val", val=VAL)
    async with httpx.AsyncClient(transport=caller.transport) as http:
        answer = await http.post(
            f"http://sandbox.test/v2/vals/{found['val']['id']}/branches",
            json={"name": "draft"},
            headers={"Authorization": f"Bearer {caller.token}"},
        )
    branch_id: str = answer.json()["id"]
    return branch_id


async def test_listing_is_recursive_unless_told_otherwise(ada: Caller) -> None:
    assert await paths(ada) == ["README.md", "lib", "lib/greet.ts", "main.ts"]
    assert await paths(ada, recursive="false") == ["README.md", "lib", "main.ts"]
    assert await paths(ada, path="lib") == ["lib/greet.ts"]


async def test_listing_shows_where_http_files_answer(ada: Caller) -> None:
    listed: Any = await ada.ok("list_files", val=VAL)
    endpoints = {file["path"]: file.get("endpoint") for file in listed["files"]}
    assert endpoints["main.ts"].startswith("http")
    assert endpoints["README.md"] is None


async def test_listing_is_capped_and_can_be_continued(ada: Caller) -> None:
    first: Any = await ada.ok("list_files", val=VAL, limit=3)
    assert [file["path"] for file in first["files"]] == ["README.md", "lib", "lib/greet.ts"]
    assert await paths(ada, limit=3, offset=first["next_offset"]) == ["main.ts"]


async def test_reading_gives_the_text_to_the_last_character(ada: Caller) -> None:
    text = "one\r\n\x0btwo\u2028three\n\n\x00last é"
    await ada.ok("create_file", val=VAL, path="odd.txt", content=text)
    read: Any = await ada.ok("read_file", val=VAL, path="odd.txt")
    assert read["content"] == text
    assert (read["first_line"], read["last_line"], read["total_lines"]) == (1, 4, 4)


async def test_reading_some_lines(ada: Caller) -> None:
    await ada.ok("create_file", val=VAL, path="n.txt", content="1\n2\n3\n4\n")
    read: Any = await ada.ok("read_file", val=VAL, path="n.txt", offset="2", limit="2")
    assert read["content"] == "2\n3\n"
    assert (read["first_line"], read["last_line"], read["total_lines"]) == (2, 3, 4)
    assert "4 lines" in await ada.refused("read_file", val=VAL, path="n.txt", offset=5)


async def test_an_empty_file_has_no_lines(ada: Caller) -> None:
    await ada.ok("create_file", val=VAL, path="empty", content="")
    read: Any = await ada.ok("read_file", val=VAL, path="empty")
    assert (read["content"], read["first_line"], read["last_line"], read["total_lines"]) == ("", 0, 0, 0)


async def test_earlier_versions_stay_readable_also_after_deletion(ada: Caller) -> None:
    before = await version_of(ada, "README.md")
    written: Any = await ada.ok("write_file", val=VAL, path="README.md", content="new")
    await ada.ok("delete_file", val=VAL, path="README.md")
    old: Any = await ada.ok("read_file", val=VAL, path="README.md", version=before)
    new: Any = await ada.ok("read_file", val=VAL, path="README.md", version=written["file"]["version"])
    assert old["content"].startswith("# hello-http")
    assert new["content"] == "new"
    assert "404" in await ada.refused("read_file", val=VAL, path="README.md")


async def test_a_directory_is_not_readable_and_says_so(ada: Caller) -> None:
    assert "list_files" in await ada.refused("read_file", val=VAL, path="lib")


async def test_content_that_is_no_text_is_not_shown() -> None:
    entry = {
        "id": "f",
        "name": "a",
        "path": "a",
        "version": 1,
        "updatedAt": "2026-01-01T00:00:00Z",
        "type": "file",
        "links": {"self": "s", "html": "h", "module": "m"},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/content"):
            return httpx.Response(200, content=b"\x89PNG\xff\xfe")
        return httpx.Response(200, json={"data": [entry], "links": {"self": "s"}})

    caller = stubbed(answer)
    text = await caller.refused("read_file", val="11111111-2222-4333-8444-555555555555", path="a")
    assert "not UTF-8" in text


async def test_a_branch_is_found_by_name_or_id_and_is_independent_of_main(ada: Caller) -> None:
    branch_id = await other_branch(ada)
    await ada.ok("write_file", val=VAL, path="README.md", content="draft text", branch="draft")
    by_id: Any = await ada.ok("read_file", val=VAL, path="README.md", branch=branch_id)
    on_main: Any = await ada.ok("read_file", val=VAL, path="README.md", branch="main")
    assert by_id["content"] == "draft text"
    assert on_main["content"].startswith("# hello-http")


async def test_an_unknown_branch_is_refused_with_the_names_there_are(ada: Caller) -> None:
    await other_branch(ada)
    text = await ada.refused("list_files", val=VAL, branch="daft")
    assert "main" in text
    assert "draft" in text


@pytest.mark.parametrize("branch", ["", "../main", "a/b", "a?b", "a b", "a\r\nb", "x" * 49])
async def test_what_names_no_branch_is_refused_before_anything_is_sent(ada: Caller, branch: str) -> None:
    assert "`branch`" in await ada.refused("list_files", val=VAL, branch=branch)
    assert ada.requests == []


async def test_a_new_file_gets_its_type_by_the_ending_and_its_directories(ada: Caller) -> None:
    made: Any = await ada.ok("create_file", val=VAL, path="deep/er/x.tsx", content="export {}")
    assert made["file"]["type"] == "script"
    other: Any = await ada.ok("create_file", val=VAL, path="x.json", content="{}")
    assert other["file"]["type"] == "file"
    named: Any = await ada.ok("create_file", val=VAL, path="job.ts", content="", type="interval")
    assert named["file"]["type"] == "interval"
    assert "deep/er" in await paths(ada)


async def test_a_file_that_exists_is_not_created_over(ada: Caller) -> None:
    text = await ada.refused("create_file", val=VAL, path="main.ts", content="x")
    assert "409" in text
    assert "write_file" in text


async def test_a_write_with_the_version_just_read_goes_through(ada: Caller) -> None:
    version = await version_of(ada, "main.ts")
    written: Any = await ada.ok(
        "write_file", val=VAL, path="main.ts", content="new", expected_version=str(version)
    )
    assert written["replaced_version"] == version
    assert written["file"]["version"] > version
    assert written["file"]["type"] == "http"


async def test_a_stale_write_is_refused_and_changes_nothing(ada: Caller) -> None:
    version = await version_of(ada, "main.ts")
    await ada.ok("write_file", val=VAL, path="main.ts", content="theirs")
    text = await ada.refused("write_file", val=VAL, path="main.ts", content="mine", expected_version=version)
    assert "Nothing was written" in text
    read: Any = await ada.ok("read_file", val=VAL, path="main.ts")
    assert read["content"] == "theirs"


async def test_a_change_of_another_file_makes_no_write_stale(ada: Caller) -> None:
    version = await version_of(ada, "main.ts")
    await ada.ok("write_file", val=VAL, path="README.md", content="other")
    await ada.ok("write_file", val=VAL, path="main.ts", content="mine", expected_version=version)


async def test_writing_a_file_that_is_not_there_points_to_create_file(ada: Caller) -> None:
    assert "create_file" in await ada.refused("write_file", val=VAL, path="new.ts", content="x")


async def test_a_file_is_deleted(ada: Caller) -> None:
    assert await ada.ok("delete_file", val=VAL, path="main.ts") == {
        "deleted": True,
        "path": "main.ts",
        "branch": "main",
    }
    assert "main.ts" not in await paths(ada)
    assert "404" in await ada.refused("delete_file", val=VAL, path="main.ts")


async def test_a_directory_needs_recursive_and_confirm(ada: Caller) -> None:
    assert "recursive" in await ada.refused("delete_file", val=VAL, path="lib")
    asked = len(ada.requests)
    assert "confirm" in await ada.refused("delete_file", val=VAL, path="lib", recursive=True)
    assert len(ada.requests) == asked
    await ada.ok("delete_file", val=VAL, path="lib", recursive=True, confirm="true")
    assert await paths(ada) == ["README.md", "main.ts"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/main.ts",
        "..",
        "../x",
        "a/../b",
        "a//b",
        "a/",
        "./a",
        "a\r\nb",
        "a\x00b",
        "\ud800",
        "x" * 1025,
    ],
)
async def test_a_path_that_is_none_is_refused_before_anything_is_sent(ada: Caller, path: str) -> None:
    for tool, more in (
        ("read_file", {}),
        ("write_file", {"content": ""}),
        ("create_file", {"content": ""}),
        ("delete_file", {"recursive": True, "confirm": True}),
    ):
        assert "`path`" in await ada.refused(tool, val=VAL, path=path, **more)
    assert ada.requests == []


@pytest.mark.parametrize("path", ["%2e%2e%2fme", "a?path=b&branch_id=c", "a#b", "a&recursive=true", "a b+c"])
async def test_an_odd_path_stays_the_path_parameter(ada: Caller, path: str) -> None:
    val_id = (await (await ada.valtown()).val_by_name("ada", "hello-http")).id
    ada.requests.clear()
    assert "404" in await ada.refused("read_file", val=val_id, path=path)
    (request,) = ada.requests
    assert request.url.path == f"/v2/vals/{val_id}/files"
    assert request.url.params["path"] == path
    assert "branch_id" not in request.url.params


async def test_somebody_elses_val_can_be_read_but_not_changed(grace: Caller) -> None:
    assert "main.ts" in await paths(grace)
    text = await grace.refused("write_file", val=VAL, path="main.ts", content="x")
    assert "404" in text
    assert "Not authorized" in text


async def test_content_beyond_the_limit_is_refused_before_anything_is_sent(ada: Caller) -> None:
    assert "80000" in await ada.refused("write_file", val=VAL, path="main.ts", content="x" * 80_001)
    assert ada.requests == []
    await ada.ok("write_file", val=VAL, path="main.ts", content="x" * 80_000)
