"""get_me against the sandbox."""

import pytest

from tests.support.tool_caller import Caller

pytestmark = pytest.mark.anyio


async def test_get_me_shows_the_account_of_the_credential(ada: Caller, grace: Caller) -> None:
    assert (await ada.ok("get_me"))["username"] == "ada"
    profile = await grace.ok("get_me")
    assert (profile["username"], profile["tier"], profile["type"]) == ("grace", "free", "user")


async def test_a_missing_permission_is_named(ada: Caller) -> None:
    text = await ada.with_token("vtwn_sandbox_ada_vals").refused("get_me")
    assert "403" in text
    assert "Token does not have the required permissions." in text
    assert "user:read" in text
