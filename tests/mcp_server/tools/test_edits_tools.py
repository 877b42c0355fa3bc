"""Tools that change a part of a file: nothing is written unless it is certain what and where."""

import pytest

from tests.support.tool_caller import Caller

pytestmark = pytest.mark.anyio

VAL = "ada/hello-http"


async def text(caller: Caller, path: str = "README.md") -> str:
    return str((await caller.ok("read_file", val=VAL, path=path))["content"])


async def version(caller: Caller, path: str = "README.md") -> int:
    return int((await caller.ok("read_file", val=VAL, path=path))["file"]["version"])


async def test_a_text_that_is_there_once_is_replaced(examples: Caller) -> None:
    before = await version(examples)
    edited = await examples.ok(
        "replace_in_file", val=VAL, path="README.md", old_text="Open", new_text="Visit"
    )
    assert (edited["edits"], edited["replaced_version"]) == (1, before)
    assert await text(examples) == "# hello-http\n\nVisit the endpoint of `main.ts`.\n"


async def test_a_text_that_is_there_twice_or_not_at_all_changes_nothing(examples: Caller) -> None:
    before = await text(examples)
    twice = await examples.refused("replace_in_file", val=VAL, path="README.md", old_text="t", new_text="")
    assert "times" in twice
    missing = await examples.refused("replace_in_file", val=VAL, path="README.md", old_text="no", new_text="")
    assert "does not contain" in missing
    assert await text(examples) == before
    every = await examples.ok(
        "replace_in_file", val=VAL, path="README.md", old_text="t", new_text="T", replace_all="true"
    )
    assert every["edits"] == before.count("t")
    assert await text(examples) == before.replace("t", "T")


@pytest.mark.parametrize(
    ("line", "inserted", "expected"),
    [
        (1, "zero", "zero\none\ntwo"),
        (2, "and\n", "one\nand\ntwo"),
        (3, "three", "one\ntwo\nthree"),
        (3, "three\n", "one\ntwo\nthree\n"),
    ],
)
async def test_lines_are_inserted_where_they_were_meant(
    examples: Caller, line: int, inserted: str, expected: str
) -> None:
    await examples.ok("write_file", val=VAL, path="README.md", content="one\ntwo")
    await examples.ok("insert_at_line", val=VAL, path="README.md", line=line, text=inserted)
    assert await text(examples) == expected


async def test_a_line_beyond_the_end_is_refused_and_an_empty_file_has_a_first_line(examples: Caller) -> None:
    await examples.ok("write_file", val=VAL, path="README.md", content="")
    assert "0 lines" in await examples.refused("insert_at_line", val=VAL, path="README.md", line=2, text="x")
    await examples.ok("insert_at_line", val=VAL, path="README.md", line=1, text="x")
    assert await text(examples) == "x"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("write_file", {"content": "mine"}),
        ("replace_in_file", {"old_text": "Open", "new_text": "mine"}),
        ("insert_at_line", {"line": 1, "text": "mine"}),
        ("restore_file_version", {"version": 1}),
    ],
)
async def test_a_stale_version_is_refused_and_the_other_s_change_stays(
    examples: Caller, tool: str, arguments: dict[str, object]
) -> None:
    seen = await version(examples)
    await examples.ok("write_file", val=VAL, path="README.md", content="theirs, Open")
    refused = await examples.refused(tool, val=VAL, path="README.md", expected_version=seen, **arguments)
    assert "Nothing was written" in refused
    assert await text(examples) == "theirs, Open"
    now = await version(examples)
    await examples.ok(tool, val=VAL, path="README.md", expected_version=now, **arguments)
    assert await text(examples) != "theirs, Open"


async def test_an_edit_beyond_val_town_s_limit_is_refused_before_it_is_sent(examples: Caller) -> None:
    await examples.ok("write_file", val=VAL, path="README.md", content="x" * 80_000)
    sent = len(examples.requests)
    refused = await examples.refused("insert_at_line", val=VAL, path="README.md", line=1, text="y")
    assert "80002 characters" in refused
    assert {request.method for request in examples.requests[sent:]} == {"GET"}


async def test_a_file_moves_with_its_id_and_type(examples: Caller) -> None:
    before = (await examples.ok("read_file", val=VAL, path="main.ts"))["file"]
    moved = (await examples.ok("move_file", val=VAL, path="main.ts", new_path="lib/app.ts"))["file"]
    assert (moved["id"], moved["type"], moved["path"]) == (before["id"], "http", "lib/app.ts")
    back = (await examples.ok("move_file", val=VAL, path="lib/app.ts", new_path="main.ts"))["file"]
    assert back["path"] == "main.ts"
    taken = await examples.refused("move_file", val=VAL, path="main.ts", new_path="README.md")
    assert "already something" in taken


async def test_changing_the_type_gives_and_takes_the_web_address(examples: Caller) -> None:
    changed = await examples.ok("change_file_type", val=VAL, path="main.ts", type="script")
    assert "endpoint" not in changed["file"]
    assert "no web address" in await examples.refused("fetch_val_endpoint", val=VAL, path="main.ts")


async def test_several_files_are_read_at_once_and_one_missing_spoils_nothing(examples: Caller) -> None:
    found = await examples.ok("read_files", val=VAL, paths=["main.ts", "gone.ts", "lib"])
    main, gone, directory = found["files"]
    assert main["content"].startswith("import")
    assert "not found" in gone["problem"]
    assert "directory" in directory["problem"]


async def test_code_is_searched_literally_in_any_case(examples: Caller) -> None:
    found = await examples.ok("search_code", val=VAL, text="GREET(NAME")
    assert [(match["path"], match["line"]) for match in found["matches"]] == [
        ("lib/greet.ts", 1),
        ("main.ts", 5),
    ]
    assert found["incomplete"] is False
    exact = await examples.ok("search_code", val=VAL, text="GREET(", match_case=True)
    assert exact["matches"] == []
    assert (await examples.ok("search_code", val=VAL, text=".*", path="lib"))["matches"] == []
    cut = await examples.ok("search_code", val=VAL, text="e", limit=1)
    assert (len(cut["matches"]), cut["incomplete"]) == (1, True)
