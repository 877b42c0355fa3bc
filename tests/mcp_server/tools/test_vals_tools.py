"""list_my_vals, get_val, create_val against the sandbox."""

from typing import Any

import pytest

from tests.support.tool_caller import Caller

pytestmark = pytest.mark.anyio


async def names(caller: Caller, **arguments: object) -> list[str]:
    found: Any = await caller.ok("list_my_vals", **arguments)
    return [val["name"] for val in found["vals"]]


async def test_own_vals_are_listed_with_private_ones_and_without_those_of_others(ada: Caller) -> None:
    assert set(await names(ada)) == {"hello-http", "nightly-report"}


async def test_the_name_filter_ignores_case(ada: Caller) -> None:
    assert await names(ada, name="HELLO") == ["hello-http"]
    assert await names(ada, name="nothing") == []


async def test_long_lists_are_paged_through_and_can_be_continued(ada: Caller) -> None:
    for number in range(120):
        await (await ada.valtown()).create_val(f"many-{number:03}", "public")
    everything: Any = await ada.ok("list_my_vals", limit=500)
    assert len(everything["vals"]) == 122
    assert "next_offset" not in everything
    assert ada.progress == [100]
    first: Any = await ada.ok("list_my_vals", limit="7", name="many")
    rest: Any = await ada.ok("list_my_vals", limit=500, name="many", offset=first["next_offset"])
    together = [val["name"] for val in (*first["vals"], *rest["vals"])]
    assert together == [f"many-{number:03}" for number in reversed(range(120))]


async def test_a_list_that_ends_with_the_limit_says_there_is_no_more(ada: Caller) -> None:
    assert "next_offset" not in await ada.ok("list_my_vals", limit=2)
    assert (await ada.ok("list_my_vals", limit=1))["next_offset"] == 1


@pytest.mark.parametrize(
    "reference",
    [
        "ada/hello-http",
        "@ada/hello-http",
        " ada/hello-http ",
        "https://www.val.town/x/ada/hello-http",
        "https://val.town/x/ada/hello-http/code/main.ts?a=b#c",
        "http://www.val.town/v/ada/hello-http",
        "www.val.town/x/ada/hello-http",
    ],
)
async def test_a_val_is_found_by_name_or_address(grace: Caller, reference: str) -> None:
    found: Any = await grace.ok("get_val", val=reference)
    assert (found["val"]["owner"], found["val"]["name"]) == ("ada", "hello-http")


async def test_get_val_shows_branches_and_root_files(ada: Caller) -> None:
    found: Any = await ada.ok("get_val", val="ada/hello-http")
    assert [branch["name"] for branch in found["branches"]] == ["main"]
    assert {file["path"] for file in found["root_files"]} == {"README.md", "lib", "main.ts"}
    assert found["incomplete"] is False
    again: Any = await ada.ok("get_val", val=found["val"]["id"].upper())
    assert again == found


@pytest.mark.parametrize(
    "reference",
    [
        "hello-http",
        "ada/",
        "/hello-http",
        "ada/hello-http/main.ts",
        "ada/../me",
        "../me",
        "ada/%2e%2e%2fme",
        "ada/hello?x=1",
        "ada/hello#x",
        "ada/hello\r\nx",
        "ada/hello\x00",
        "https://evil.example/x/ada/hello-http",
        "https://val.town@evil.example/x/ada/hello-http",
        "https://[::1/x/ada/hello-http",
        "file:///x/ada/hello-http",
        "",
    ],
)
async def test_what_names_no_val_is_refused_before_anything_is_sent(ada: Caller, reference: str) -> None:
    assert "`val`" in await ada.refused("get_val", val=reference)
    assert ada.requests == []


async def test_a_private_val_of_somebody_else_is_not_there(grace: Caller) -> None:
    text = await grace.refused("get_val", val="ada/nightly-report")
    assert "404" in text


async def test_create_val_is_public_unless_told_otherwise(ada: Caller) -> None:
    made: Any = await ada.ok("create_val", name="plain")
    assert made["val"]["privacy"] == "public"
    assert made["files"] == []
    private: Any = await ada.ok("create_val", name="mine", privacy="private", description="For me")
    assert (private["val"]["privacy"], private["val"]["description"]) == ("private", "For me")


async def test_create_val_writes_initial_files_and_reports_progress(ada: Caller) -> None:
    files = '[{"path": "main.ts", "content": "a", "type": "http"}, {"path": "lib/b.md", "content": ""}]'
    made: Any = await ada.ok("create_val", name="with-files", initial_files=files)
    assert [(file["path"], file["type"]) for file in made["files"]] == [
        ("main.ts", "http"),
        ("lib/b.md", "file"),
    ]
    assert ada.progress == [1, 2]


async def test_a_taken_name_is_said_clearly(ada: Caller) -> None:
    text = await ada.refused("create_val", name="hello-http")
    assert "already has a val hello-http" in text
    assert "409" in text


async def test_the_free_plan_and_private_vals_are_explained(grace: Caller) -> None:
    text = await grace.refused("create_val", name="secret", privacy="private")
    assert "403" in text
    assert "Free accounts cannot have private vals" in text
    assert (await grace.ok("create_val", name="open"))["files"] == []


async def test_a_token_that_may_not_write_is_told_which_permission_is_missing(ada: Caller) -> None:
    text = await ada.with_token("vtwn_sandbox_ada_readonly").refused("create_val", name="x")
    assert "val:write" in text
    assert "user:read" in text


async def test_files_that_fail_after_the_val_was_made_are_named(ada: Caller) -> None:
    files = [
        {"path": "ok.ts", "content": ""},
        {"path": "not ok.ts", "content": ""},
        {"path": "c", "content": ""},
    ]
    text = await ada.refused("create_val", name="half", initial_files=files)
    assert "was created" in text
    assert "not ok.ts, c" in text
    assert "create_file" in text
    assert "half" in await names(ada)


@pytest.mark.parametrize(
    "files",
    [
        [{"path": "../a", "content": ""}],
        [{"path": "a", "content": "x" * 80_001}],
        [{"path": "a", "content": "", "type": "directory"}],
        [{"path": "a", "content": ""}, {"path": "a", "content": ""}],
        [{"path": str(number), "content": ""} for number in range(21)],
    ],
)
async def test_bad_initial_files_are_refused_before_the_val_is_made(ada: Caller, files: object) -> None:
    assert "initial_files" in await ada.refused("create_val", name="never", initial_files=files)
    assert ada.requests == []
