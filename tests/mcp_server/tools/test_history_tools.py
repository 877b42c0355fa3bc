"""Earlier versions, comparisons and the stand-in for merge."""

import pytest

from tests.support.tool_caller import Caller

pytestmark = pytest.mark.anyio

VAL = "ada/hello-http"


async def write(caller: Caller, content: str, path: str = "README.md", branch: str = "main") -> int:
    written = await caller.ok("write_file", val=VAL, path=path, content=content, branch=branch)
    return int(written["file"]["version"])


async def read(caller: Caller, path: str = "README.md", branch: str = "main") -> str:
    return str((await caller.ok("read_file", val=VAL, path=path, branch=branch))["content"])


async def actions(caller: Caller, **arguments: object) -> dict[str, str]:
    applied = await caller.ok("apply_branch", val=VAL, branch="draft", **arguments)
    return {step["path"]: step["action"] for step in applied["steps"]}


async def test_the_versions_of_a_file_are_those_at_which_it_changed(examples: Caller) -> None:
    first = (await examples.ok("list_versions", val=VAL, path="README.md"))["versions"]
    second = await write(examples, "second")
    await write(examples, "of another file", path="main.ts")
    third = await write(examples, "third")
    listed = await examples.ok("list_versions", val=VAL, path="README.md")
    assert [item["version"] for item in listed["versions"]] == [
        third,
        second,
        *(item["version"] for item in first),
    ]
    assert "next_version" not in listed
    page = await examples.ok("list_versions", val=VAL, path="README.md", limit=1)
    rest = await examples.ok("list_versions", val=VAL, path="README.md", before=page["next_version"])
    assert page["versions"] + rest["versions"] == listed["versions"]


async def test_a_version_is_shown_and_restored_as_a_new_one(examples: Caller) -> None:
    old = await read(examples)
    (created,) = (await examples.ok("list_versions", val=VAL, path="README.md"))["versions"]
    second = await write(examples, "second\n")
    changes = (
        await examples.ok("diff_versions", val=VAL, from_version=created["version"], path="README.md")
    )["changes"]
    assert "+second" in changes[0]["diff"]
    restored = await examples.ok(
        "restore_file_version", val=VAL, path="README.md", version=created["version"]
    )
    assert (restored["replaced_version"], restored["file"]["version"]) == (second, second + 1)
    assert await read(examples) == old


async def test_a_deleted_file_comes_back_with_its_type(examples: Caller) -> None:
    before = await examples.ok("read_file", val=VAL, path="main.ts")
    await examples.ok("delete_file", val=VAL, path="main.ts")
    version = before["file"]["version"]
    await examples.ok("list_versions", val=VAL, path="main.ts", before=version)
    restored = await examples.ok("restore_file_version", val=VAL, path="main.ts", version=version)
    assert restored["file"]["type"] == "http"
    assert await read(examples, "main.ts") == before["content"]


async def test_two_versions_of_a_val_are_compared_file_by_file(examples: Caller) -> None:
    start = (await examples.ok("get_branch", val=VAL))["version"]
    await write(examples, "changed\n")
    await examples.ok("delete_file", val=VAL, path="lib/greet.ts")
    await examples.ok("create_file", val=VAL, path="new.ts", content="new\n")
    found = await examples.ok("diff_versions", val=VAL, from_version=start)
    assert [(change["path"], change["change"]) for change in found["changes"]] == [
        ("README.md", "changed"),
        ("lib/greet.ts", "removed"),
        ("new.ts", "added"),
    ]
    assert (await examples.ok("diff_versions", val=VAL, from_version=start, to_version=start))[
        "changes"
    ] == []


async def test_branches_are_compared_in_text_and_type(examples: Caller) -> None:
    await examples.ok("change_file_type", val=VAL, path="main.ts", type="script", branch="draft")
    found = (await examples.ok("compare_branches", val=VAL, branch="draft"))["changes"]
    assert [change["path"] for change in found] == ["lib/greet.ts", "main.ts"]
    assert "+changed on the branch" in found[0]["diff"]
    assert (found[1]["old_type"], found[1]["new_type"], "diff" in found[1]) == ("http", "script", False)
    assert "same branch" in await examples.refused("compare_branches", val=VAL, branch="main")


async def test_a_dry_run_writes_nothing_and_is_the_default(examples: Caller) -> None:
    assert await actions(examples) == {"lib/greet.ts": "update"}
    assert {request.method for request in examples.requests} == {"GET"}


async def test_what_only_the_branch_changed_is_applied(examples: Caller) -> None:
    await examples.ok("create_file", val=VAL, path="new.ts", content="new\n", type="http", branch="draft")
    await examples.ok("delete_file", val=VAL, path="README.md", branch="draft")
    expected = {"README.md": "delete", "lib/greet.ts": "update", "new.ts": "create"}
    assert await actions(examples, dry_run=False) == expected
    assert await read(examples, "lib/greet.ts") == "changed on the branch\n"
    paths = [file["path"] for file in (await examples.ok("list_files", val=VAL))["files"]]
    assert ("README.md" in paths, "new.ts" in paths) == (False, True)
    assert await actions(examples, dry_run=False) == {}


async def test_what_only_the_target_changed_is_kept(examples: Caller) -> None:
    await write(examples, "newer on main")
    await examples.ok("create_file", val=VAL, path="only-main.ts", content="x")
    await examples.ok("delete_file", val=VAL, path="main.ts")
    assert await actions(examples, dry_run=False) == {
        "README.md": "keep",
        "lib/greet.ts": "update",
        "main.ts": "keep",
        "only-main.ts": "keep",
    }
    assert await read(examples) == "newer on main"


async def test_what_both_changed_is_a_conflict_and_stays_unless_overwritten(examples: Caller) -> None:
    await write(examples, "changed on main", path="lib/greet.ts")
    assert await actions(examples, dry_run=False) == {"lib/greet.ts": "conflict"}
    assert await read(examples, "lib/greet.ts") == "changed on main"
    assert await actions(examples, dry_run=False, overwrite=True) == {"lib/greet.ts": "update"}
    assert await read(examples, "lib/greet.ts") == "changed on the branch\n"


async def test_main_cannot_be_deleted_and_a_branch_only_when_the_person_agreed(examples: Caller) -> None:
    assert "main is the val" in await examples.refused("delete_branch", val=VAL, branch="main", confirm=True)
    assert "confirm: true" in await examples.refused("delete_branch", val=VAL, branch="draft")
    assert {request.method for request in examples.requests} == {"GET"}
    await examples.ok("delete_branch", val=VAL, branch="draft", confirm=True)
    names = [branch["name"] for branch in (await examples.ok("list_branches", val=VAL))["branches"]]
    assert names == ["main"]
