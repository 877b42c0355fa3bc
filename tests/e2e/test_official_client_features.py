"""The official Python client uses what the server has beside tools, in both eras."""

from typing import Any

import mcp_types
import pytest

from dev.deployment import Deployment
from tests.e2e.official_client import connect

pytestmark = [pytest.mark.e2e, pytest.mark.anyio]

ERAS = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
TEMPLATE = "valtown://vals/{owner}/{name}/files/{+path}"


@ERAS
async def test_resources_prompts_and_completion(deployment: Deployment, mode: str) -> None:
    async with connect(deployment, mode) as connected:
        client = connected.client
        assert "valtown://me" in [found.uri for found in (await client.list_resources()).resources]
        (me,) = (await client.read_resource("valtown://me")).contents
        assert isinstance(me, mcp_types.TextResourceContents)
        assert '"username":"ada"' in me.text
        templates = (await client.list_resource_templates()).resource_templates
        assert TEMPLATE in [found.uri_template for found in templates]
        (code,) = (await client.read_resource("valtown://vals/ada/hello-http/files/main.ts")).contents
        assert isinstance(code, mcp_types.TextResourceContents)
        assert "export default" in code.text
        prompt = await client.get_prompt("review_val", {"val": "ada/hello-http"})
        assert "ada/hello-http" in str(prompt.messages[0].content)
        reference = mcp_types.ResourceTemplateReference(uri=TEMPLATE)
        completed = await client.complete(reference, {"name": "name", "value": "hello"}, {"owner": "ada"})
        assert completed.completion.values == ["hello-http"]


@ERAS
async def test_progress_arrives_while_a_call_runs(deployment: Deployment, mode: str) -> None:
    reported: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)

    files = [{"path": f"{number}.ts", "content": ""} for number in range(3)]
    async with connect(deployment, mode) as connected:
        # The client signs in with its first request and steps up with another, not both with one.
        await connected.call("whoami")
        name = f"progress_{mode}".replace("-", "_")
        arguments = {"name": name, "initial_files": files}
        result = await connected.client.call_tool("create_val", arguments, progress_callback=note)
    assert not result.is_error
    assert reported == sorted(set(reported))
    assert reported[-1] == 3


async def test_a_person_is_asked_before_a_val_is_deleted(deployment: Deployment) -> None:
    asked: list[str] = []
    answers = iter((False, True))

    async def ask(context: Any, params: mcp_types.ElicitRequestParams) -> mcp_types.ElicitResult:
        asked.append(params.message)
        return mcp_types.ElicitResult(action="accept", content={"confirm": next(answers)})

    async with connect(deployment, elicitation_callback=ask) as connected:
        await connected.call("create_val", name="short_lived")
        declined = await connected.call("delete_val", val="ada/short_lived")
        deleted = await connected.call("delete_val", val="ada/short_lived")
    assert (declined["deleted"], deleted["deleted"]) == (False, True)
    assert len(asked) == 2
    assert "ada/short_lived" in asked[0]


async def test_a_client_that_cannot_ask_is_told_to_confirm(deployment: Deployment) -> None:
    async with connect(deployment, "legacy") as connected:
        await connected.call("create_val", name="kept_at_first")
        refused = await connected.client.call_tool("delete_val", {"val": "ada/kept_at_first"})
        assert refused.is_error
        assert (await connected.call("delete_val", val="ada/kept_at_first", confirm=True))["deleted"] is True
