"""Resources, templates, prompts and completion: what a scope opens, and what Val Town's refusals become."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.requirements import requirement
from tests.support.mcp_client import McpClient
from tests.support.resource_server import Outside, Server
from tests.support.tokens import SigningKey
from tests.support.with_sandbox import ADA_TOKEN, WithSandbox, running_sandbox

pytestmark = pytest.mark.anyio

MAIN = "valtown://vals/ada/hello-http/files/main.ts"
TEMPLATE = "valtown://vals/{owner}/{name}/files/{+path}"


@pytest.fixture
async def outside(signing_key: SigningKey, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Outside]:
    async with running_sandbox(tmp_path) as sandbox:
        yield WithSandbox(keys=[signing_key.public_jwk()], sandbox=sandbox)


@pytest.fixture
async def ada(server: Server) -> McpClient:
    """Return a client that may read everything, linked to Ada's account."""
    await server.link(ADA_TOKEN)
    return server.client(scope="read")


def result(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()["result"]
    return found


def error(response: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = response.json()["error"]
    return found


async def read(client: McpClient, uri: str) -> httpx.Response:
    return await client.modern("resources/read", {"uri": uri})


async def test_the_lists_show_what_the_scopes_open(server: Server) -> None:
    reader, nobody = server.client(scope="files:read"), server.client(scope="")
    templates = result(await reader.modern("resources/templates/list"))["resourceTemplates"]
    assert TEMPLATE in [template["uriTemplate"] for template in templates]
    resources = result(await reader.modern("resources/list"))["resources"]
    assert "valtown://me" not in [resource["uri"] for resource in resources]
    prompts = [prompt["name"] for prompt in result(await reader.modern("prompts/list"))["prompts"]]
    assert "review_val" in prompts
    assert "new_http_val" not in prompts
    for method, member in (
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ):
        assert result(await nobody.modern(method))[member] == []


@requirement("C19")
@pytest.mark.parametrize(
    "method", ["tools/list", "resources/list", "resources/templates/list", "prompts/list", "server/discover"]
)
async def test_what_may_be_kept_is_the_caller_s_alone(server: Server, method: str) -> None:
    kept = result(await server.client().modern(method))
    assert kept["cacheScope"] == "private"
    assert isinstance(kept["ttlMs"], int)
    assert kept["ttlMs"] >= 0
    assert kept["resultType"] == "complete"
    assert kept["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "val-town"


async def test_both_eras_list_the_same(server: Server) -> None:
    client = server.client(scope="read write")
    for method, member in (("resources/list", "resources"), ("prompts/list", "prompts")):
        modern = result(await client.modern(method))[member]
        handshake = result(await client.handshake(method))[member]
        assert modern == handshake


@requirement("C19")
async def test_reading_a_resource_asks_val_town_as_the_caller(server: Server, ada: McpClient) -> None:
    found = result(await read(ada, "valtown://me"))
    (content,) = found["contents"]
    assert (content["uri"], content["mimeType"]) == ("valtown://me", "application/json")
    assert json.loads(content["text"])["username"] == "ada"
    assert (found["ttlMs"], found["cacheScope"]) == (0, "private")
    (request,) = server.outside.val_town_requests
    assert request.headers["authorization"] == f"Bearer {ADA_TOKEN}"


async def test_a_template_reads_a_file(ada: McpClient) -> None:
    (content,) = result(await read(ada, MAIN))["contents"]
    assert content["uri"] == MAIN
    assert "export default function" in content["text"]
    deeper = result(await read(ada, "valtown://vals/ada/hello-http/files/lib/greet.ts"))
    assert "Hello" in deeper["contents"][0]["text"]
    encoded = result(await read(ada, "valtown://vals/ada/hello%2Dhttp/files/lib%2Fgreet.ts"))
    assert encoded["contents"][0]["text"] == deeper["contents"][0]["text"]


@pytest.mark.parametrize(
    "uri",
    [
        "valtown://vals/ada/hello-http/files/absent.ts",
        "valtown://vals/ada/no-such-val/files/main.ts",
        "valtown://nothing",
        "file:///etc/passwd",
        "https://val-town.test/v1/me",
        "valtown://me/",
        "VALTOWN://me",
        "valtown://me?x=1",
    ],
)
async def test_what_is_not_there_is_invalid_params_with_the_uri(ada: McpClient, uri: str) -> None:
    response = await read(ada, uri)
    assert (response.status_code, error(response)["code"]) == (400, -32602)
    assert error(response)["data"]["uri"] == uri
    handshake = await ada.handshake("resources/read", {"uri": uri})
    assert (handshake.status_code, error(handshake)["code"]) == (200, -32602)


@requirement("I186")
@pytest.mark.parametrize(
    "path",
    ["../x/files/main.ts", "%2e%2e/main.ts", "a//b", "./main.ts", "..", "a%00b", "a%0d%0ab", "%ff", "/etc"],
)
async def test_no_uri_leaves_the_val_it_names(server: Server, ada: McpClient, path: str) -> None:
    response = await read(ada, f"valtown://vals/ada/hello-http/files/{path}")
    assert (response.status_code, error(response)["code"]) == (400, -32602)
    assert not server.outside.val_town_requests


@pytest.mark.parametrize("owner", ["..", "%2e%2e", "a%2Fb", "@", "%20"])
async def test_no_uri_leaves_the_account_it_names(server: Server, ada: McpClient, owner: str) -> None:
    response = await read(ada, f"valtown://vals/{owner}/hello-http/files/main.ts")
    assert (response.status_code, error(response)["code"]) == (400, -32602)
    assert not server.outside.val_town_requests


async def test_a_refusal_of_val_town_is_an_error_with_advice_and_no_401(server: Server) -> None:
    await server.link("vtwn_revoked")
    response = await read(server.client(scope="read"), "valtown://me")
    assert response.status_code == 200
    assert error(response)["code"] == 502
    assert "sign in again" in error(response)["message"]


@requirement("I187", "C10")
@pytest.mark.parametrize(
    ("method", "params", "needed"),
    [
        ("resources/read", {"uri": "valtown://me"}, "user:read"),
        ("resources/read", {"uri": MAIN}, "files:read"),
        ("prompts/get", {"name": "review_val", "arguments": {"val": "ada/hello-http"}}, "files:read"),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": TEMPLATE}, "argument": {"name": "owner", "value": ""}},
            "files:read",
        ),
    ],
)
async def test_beyond_the_grant_is_403_before_anything_runs(
    server: Server, method: str, params: dict[str, Any], needed: str
) -> None:
    await server.link(ADA_TOKEN)
    for era in ("modern", "handshake"):
        response = await getattr(server.client(scope="orgs:read"), era)(method, params)
        assert response.status_code == 403
        assert f'scope="{needed} orgs:read"' in response.headers["www-authenticate"] or (
            f'scope="orgs:read {needed}"' in response.headers["www-authenticate"]
        )
        assert response.json()["error"]["data"]["error"] == "insufficient_scope"
    assert not server.outside.val_town_requests
    allowed = await server.client(scope=needed).modern(method, params)
    assert allowed.status_code == 200


async def test_a_prompt_gives_a_message_of_the_user(server: Server) -> None:
    client = server.client(scope="read")
    params = {"name": "review_val", "arguments": {"val": "@ada/hello-http", "focus": "errors"}}
    found = result(await client.modern("prompts/get", params))
    (message,) = found["messages"]
    assert message["role"] == "user"
    assert "ada/hello-http" in message["content"]["text"]
    assert "errors" in message["content"]["text"]
    assert found["resultType"] == "complete"
    assert "resultType" not in result(await client.handshake("prompts/get", params))
    assert not server.outside.val_town_requests


@pytest.mark.parametrize(
    "params",
    [
        {"name": "review_val"},
        {"name": "review_val", "arguments": {"val": "no val"}},
        {"name": "review_val", "arguments": {"val": "ada/x", "surprise": "1"}},
        {"name": "review_val", "arguments": {"val": 5}},
        {"name": "no_such_prompt"},
    ],
)
async def test_prompts_and_arguments_that_do_not_fit_are_invalid_params(
    server: Server, params: dict[str, Any]
) -> None:
    response = await server.client(scope="read").modern("prompts/get", params)
    assert (response.status_code, error(response)["code"]) == (400, -32602)


async def complete(
    client: McpClient, reference: dict[str, str], variable: str, value: str, **known: str
) -> dict[str, Any]:
    params: dict[str, Any] = {"ref": reference, "argument": {"name": variable, "value": value}}
    if known:
        params["context"] = {"arguments": known}
    completion: dict[str, Any] = result(await client.modern("completion/complete", params))["completion"]
    return completion


async def test_completion_suggests_what_the_account_has(ada: McpClient) -> None:
    template = {"type": "ref/resource", "uri": TEMPLATE}
    assert (await complete(ada, template, "owner", "a"))["values"] == ["ada"]
    assert (await complete(ada, template, "owner", "x"))["values"] == []
    names = await complete(ada, template, "name", "HELLO", owner="ada")
    assert names == {"values": ["hello-http"], "total": 1, "hasMore": False}
    assert (await complete(ada, template, "name", "", owner="grace"))["values"] == []
    paths = await complete(ada, template, "path", "", owner="ada", name="hello-http")
    assert sorted(paths["values"]) == ["README.md", "lib/greet.ts", "main.ts"]
    assert (await complete(ada, template, "path", ""))["values"] == []
    prompt = {"type": "ref/prompt", "name": "review_val"}
    assert (await complete(ada, prompt, "val", "hello"))["values"] == ["ada/hello-http"]
    assert (await complete(ada, prompt, "focus", "x"))["values"] == []


async def test_completion_for_what_is_not_there_is_invalid_params(ada: McpClient) -> None:
    for reference in ({"type": "ref/prompt", "name": "none"}, {"type": "ref/resource", "uri": "x://y"}):
        params = {"ref": reference, "argument": {"name": "a", "value": ""}}
        response = await ada.modern("completion/complete", params)
        assert (response.status_code, error(response)["code"]) == (400, -32602)


async def test_completion_without_an_answer_of_val_town_suggests_nothing(server: Server) -> None:
    await server.link("vtwn_revoked")
    client = server.client(scope="read")
    completion = await complete(client, {"type": "ref/prompt", "name": "review_val"}, "val", "h")
    assert completion["values"] == []


async def test_subscribing_is_granted_where_it_exists_but_not_advertised(ada: McpClient) -> None:
    capabilities = result(await ada.modern("server/discover"))["capabilities"]
    assert capabilities["resources"] == {}
    assert result(await ada.handshake("resources/subscribe", {"uri": "valtown://me"})) == {}
    assert result(await ada.handshake("resources/unsubscribe", {"uri": "valtown://me"})) == {}
    unknown = await ada.handshake("resources/subscribe", {"uri": "valtown://nothing"})
    assert error(unknown)["code"] == -32602


@requirement("I199")
async def test_nothing_is_pushed_so_nothing_of_others_can_be(ada: McpClient) -> None:
    for method in ("subscriptions/listen", "tasks/list", "tasks/get"):
        response = await ada.modern(method, {"notifications": {"toolsListChanged": True}})
        assert (response.status_code, error(response)["code"]) == (404, -32601)
    capabilities = result(await ada.modern("server/discover"))["capabilities"]
    assert not any("listChanged" in value or "subscribe" in value for value in capabilities.values())
    assert "tasks" not in capabilities
