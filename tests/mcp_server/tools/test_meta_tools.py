"""whoami: what the credential itself says, without asking Val Town."""

from dataclasses import replace

import pytest

from tests.support.tool_caller import PRINCIPAL, Caller

pytestmark = pytest.mark.anyio


async def test_whoami_tells_scopes_and_expiry_without_asking_val_town(ada: Caller) -> None:
    known = await ada.ok("whoami")
    assert known == {
        "credential": "oauth",
        "account": "user-1",
        "client_id": "client-1",
        "granted": ["read", "write"],
        "scopes": ["files:read", "files:write", "user:read", "vals:read", "vals:write"],
        "expires_at": "2027-01-15T08:00:00+00:00",
    }
    assert ada.requests == []


async def test_whoami_says_when_the_legacy_header_is_used(ada: Caller) -> None:
    legacy = replace(
        PRINCIPAL, legacy=True, client_id=None, grant_id=None, expires_at=None, token_id=None, granted=()
    )
    known = await replace(ada, principal=legacy).ok("whoami")
    assert known["credential"] == "x-val-town-token"
    assert "X-Val-Town-Token" in str(known["note"])
    assert "expires_at" not in known
    assert "account" not in known
