"""What a language model reads when Val Town refuses: status, reason, likely cause, advice; never a secret."""

from dataclasses import replace

import httpx
import pytest

from tests.requirements import requirement
from tests.support.tool_caller import Caller, stubbed

pytestmark = pytest.mark.anyio

VAL = "11111111-2222-4333-8444-555555555555"


def refusing(status: int, message: str = "the reason", **headers: str) -> Caller:
    caller: Caller = stubbed(
        lambda _request: httpx.Response(status, json={"message": message}, headers=headers)
    )
    return caller


@requirement("I193")
async def test_a_revoked_credential_is_a_tool_error_that_asks_to_sign_in_again() -> None:
    text = await refusing(401).refused("get_me")
    assert "Val Town answered 401: the reason" in text
    assert "sign in again" in text


async def test_a_refused_legacy_token_is_called_by_its_header() -> None:
    caller = refusing(401)
    caller = replace(caller, principal=replace(caller.principal, legacy=True))
    assert "X-Val-Town-Token" in await caller.refused("get_me")


@requirement("I194")
async def test_an_echoed_credential_is_not_in_the_text() -> None:
    caller = refusing(403, "no: vtwn_sandbox_ada has no rights")
    text = await caller.refused("get_me")
    assert "vtwn_" not in text
    assert "has no rights" in text


@pytest.mark.parametrize(
    ("tool", "permission"),
    [
        ("get_me", "user:read"),
        ("list_my_vals", "val:read"),
        ("list_files", "val:read"),
        ("delete_file", "val:write"),
    ],
)
async def test_a_403_names_the_permission_that_is_probably_missing(tool: str, permission: str) -> None:
    arguments = {"list_files": {"val": VAL}, "delete_file": {"val": VAL, "path": "a"}}
    text = await refusing(403).refused(tool, **arguments.get(tool, {}))
    assert "403: the reason" in text
    assert permission in text


async def test_rate_limiting_says_how_long_to_wait() -> None:
    caller = refusing(429, **{"retry-after": "7"})
    text = await caller.refused("list_my_vals")
    assert "429" in text
    assert "Wait 7 seconds" in text


async def test_an_outage_says_whether_something_may_have_changed() -> None:
    caller = refusing(503)
    assert "safe" in await caller.refused("list_files", val=VAL)
    assert "not known whether" in await caller.refused("write_file", val=VAL, path="a", content="")


async def test_a_redirecting_val_town_is_a_tool_error() -> None:
    caller: Caller = stubbed(
        lambda _request: httpx.Response(307, headers={"location": "https://evil.example/"})
    )
    assert "redirect" in await caller.refused("get_me")
    assert {request.url.host for request in caller.requests} == {"sandbox.test"}


async def test_two_refusals_at_once_are_one_error() -> None:
    val = {
        "id": VAL,
        "name": "a",
        "privacy": "public",
        "createdAt": "2026-01-01T00:00:00Z",
        "author": {"type": "user", "id": "u", "username": None},
        "description": None,
        "imageUrl": None,
        "links": {"self": "s", "html": "h"},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/v2/vals/{VAL}":
            return httpx.Response(200, json=val)
        return httpx.Response(401, json={"message": "revoked"})

    assert "sign in again" in await stubbed(answer).refused("get_val", val=VAL)


async def test_a_list_that_never_ends_is_cut() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        entries = [
            {
                "id": str(offset + number),
                "name": "x",
                "privacy": "public",
                "createdAt": "2026-01-01T00:00:00Z",
                "author": {"type": "user", "id": "u", "username": "ada"},
                "links": {"self": "s", "html": "h"},
            }
            for number in range(limit)
        ]
        return httpx.Response(
            200, json={"data": entries, "links": {"self": "s", "next": "http://evil.example/"}}
        )

    caller: Caller = stubbed(answer)
    found = await caller.ok("list_my_vals", name="nothing like it")
    assert found == {"vals": [], "next_offset": 1000}
    assert len(caller.requests) == 10
    assert {request.url.host for request in caller.requests} == {"sandbox.test"}
    assert caller.progress == sorted(set(caller.progress))
