"""Owner mode: the server's own Val Town token works for grants of its own account, and for no others."""

import json
from typing import Any

import httpx
import pytest

from shared.credentials import CredentialOwner, credential_key, seal_credential
from shared.sealing import Sealer
from tests.support.resource_server import ENCRYPTION_KEY, OpenServer, Outside, Server, streamed
from tests.support.tokens import SigningKey

pytestmark = pytest.mark.anyio

ADA, GRACE = "vtwn_of_ada", "vtwn_of_grace"
ACCOUNTS = {f"Bearer {ADA}": "ada", f"Bearer {GRACE}": "grace"}


class TwoAccounts(Outside):
    """A Val Town with two accounts and no vals."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer one request of the server."""
        name = ACCOUNTS.get(request.headers.get("authorization", ""))
        if request.url.host != "val-town.test" or name is None:
            return super().answer(request)
        self.val_town_requests.append(request)
        if request.url.path == "/v1/me":
            profile = {"id": f"user-{name}", "type": "user", "username": name, "url": f"https://x/{name}"}
            return streamed(200, json.dumps(profile).encode())
        return streamed(404, b'{"message": "Not found"}')

    def sent(self) -> set[tuple[str, str]]:
        """Return which paths were asked for with which token."""
        return {
            (request.headers["authorization"].removeprefix("Bearer "), request.url.path)
            for request in self.val_town_requests
        }


@pytest.fixture
def outside(signing_key: SigningKey) -> TwoAccounts:
    return TwoAccounts(keys=[signing_key.public_jwk()])


async def link_grace(server: Server) -> None:
    """Store a grant of Grace's, made in owner mode."""
    owner = CredentialOwner(grant_id="grant-g", subject="user-grace", client_id="client-1")
    sealed = seal_credential(Sealer(ENCRYPTION_KEY), owner, None)
    await server.redis.set(credential_key("grant-g"), sealed)


async def result_of(server: Server, tool: str, claims: dict[str, str], **arguments: Any) -> dict[str, Any]:
    response = await server.client(**claims).call(tool, **arguments)
    assert response.status_code == 200
    result: dict[str, Any] = response.json()["result"]
    return result


async def test_a_grant_of_the_account_itself_works_with_the_server_s_token(
    open_server: OpenServer, outside: TwoAccounts
) -> None:
    async with open_server(val_town_api_token=ADA) as server:
        await server.link(None)
        for _ in range(2):
            result = await result_of(server, "get_me", {})
            assert result["structuredContent"]["username"] == "ada"
        assert outside.sent() == {(ADA, "/v1/me")}


async def test_after_a_change_of_account_old_grants_get_nothing_of_the_new_one(
    open_server: OpenServer, outside: TwoAccounts
) -> None:
    async with open_server(val_town_api_token=GRACE) as server:
        await server.link(None)
        await link_grace(server)
        for tool, arguments in (("get_me", {}), ("get_val", {"val": "grace/secret"}), ("list_my_vals", {})):
            for _ in range(2):
                result = await result_of(server, tool, {}, **arguments)
                assert result["isError"] is True
                assert "structuredContent" not in result
                assert "reconnect" in result["content"][0]["text"]
                assert "grace" not in json.dumps(result).replace("grace/secret", "")
        # It was asked once whose token that is, and nothing else.
        assert outside.sent() == {(GRACE, "/v1/me")}
        mine = await result_of(server, "get_me", {"sub": "user-grace", "gid": "grant-g"})
        assert mine["structuredContent"]["username"] == "grace"


async def test_when_owner_mode_is_off_its_grants_ask_to_reconnect_and_others_work(
    open_server: OpenServer, outside: TwoAccounts
) -> None:
    async with open_server() as server:
        await server.link(None)
        result = await result_of(server, "get_me", {})
        assert result["isError"] is True
        assert "reconnect" in result["content"][0]["text"]
        assert outside.sent() == set()
        await server.link(ADA, grant_id="grant-2")
        mine = await result_of(server, "get_me", {"gid": "grant-2"})
        assert mine["structuredContent"]["username"] == "ada"


async def test_a_grant_with_a_token_of_its_own_never_gets_the_server_s(
    open_server: OpenServer, outside: TwoAccounts
) -> None:
    async with open_server(val_town_api_token=GRACE) as server:
        await server.link(ADA)
        result = await result_of(server, "get_me", {})
        assert result["structuredContent"]["username"] == "ada"
        assert outside.sent() == {(ADA, "/v1/me")}
