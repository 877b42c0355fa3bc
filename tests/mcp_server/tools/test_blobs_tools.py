"""Blob tools: text and bytes, ranges, copies that do not overwrite."""

import base64

import pytest

from tests.support.tool_caller import Caller

pytestmark = pytest.mark.anyio


async def test_text_is_shown_as_text_and_a_range_never_cuts_a_character(examples: Caller) -> None:
    whole = await examples.ok("get_blob", key="greeting")
    assert (whole["encoding"], whole["content"], whole["size"]) == ("text", "grüße", 7)
    part = await examples.ok("get_blob", key="greeting", limit=3)
    assert (part["content"], part["next_offset"]) == ("gr", 2)
    rest = await examples.ok("get_blob", key="greeting", offset=2)
    assert rest["content"] == "üße"
    assert "next_offset" not in rest


async def test_bytes_come_in_base64_and_not_as_text(examples: Caller) -> None:
    content = bytes(range(256))
    await examples.ok("put_blob", key="bytes", content=base64.b64encode(content).decode(), encoding="base64")
    blob = await examples.ok("get_blob", key="bytes")
    assert (blob["encoding"], base64.b64decode(str(blob["content"]))) == ("base64", content)
    assert "base64" in await examples.refused("get_blob", key="bytes", encoding="text")
    beyond = await examples.ok("get_blob", key="bytes", offset=1000)
    assert (beyond["content"], "next_offset" in beyond) == ("", False)


@pytest.mark.parametrize("content", ["?", "AAA", "a b=", "ä"])
async def test_what_is_no_base64_is_not_stored(examples: Caller, content: str) -> None:
    assert "Nothing was stored" in await examples.refused(
        "put_blob", key="x", content=content, encoding="base64"
    )
    assert examples.requests == []


async def test_a_copy_does_not_overwrite_unless_told(examples: Caller) -> None:
    await examples.ok("put_blob", key="other", content="kept")
    assert "Nothing was stored" in await examples.refused("copy_blob", key="greeting", new_key="other")
    assert "Nothing was stored" in await examples.refused("move_blob", key="greeting", new_key="other")
    assert (await examples.ok("get_blob", key="other"))["content"] == "kept"
    await examples.ok("move_blob", key="greeting", new_key="other", overwrite=True)
    assert (await examples.ok("get_blob", key="other"))["content"] == "grüße"
    assert "404" in await examples.refused("get_blob", key="greeting")


async def test_a_blob_moved_onto_itself_stays(examples: Caller) -> None:
    assert "same" in await examples.refused("move_blob", key="greeting", new_key="greeting", overwrite=True)
    await examples.ok("get_blob", key="greeting")


async def test_the_list_is_paged(examples: Caller) -> None:
    for number in range(3):
        await examples.ok("put_blob", key=f"n/{number}", content="")
    first = await examples.ok("list_blobs", prefix="n/", limit=2)
    assert ([blob["key"] for blob in first["blobs"]], first["total"], first["next_offset"]) == (
        ["n/0", "n/1"],
        3,
        2,
    )
    last = await examples.ok("list_blobs", prefix="n/", limit=2, offset=2)
    assert ([blob["key"] for blob in last["blobs"]], "next_offset" in last) == (["n/2"], False)
