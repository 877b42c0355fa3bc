"""The MCP server's page at /, in a browser."""

import pytest

from dev.deployment import Deployment
from tests.browser.looks import look_at
from tests.browser.person import Person

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


async def test_the_start_page_is_for_everybody(services: Deployment, person: Person, axe: str | None) -> None:
    await person.open(services.resource.removesuffix("mcp"))
    await look_at(person.page, "start", None)
    for summary in await person.page.locator("summary").all():
        await summary.click()
    await look_at(person.page, "start-with-tools", axe)
    assert await person.page.locator(".health .failing").count() == 0
    assert person.elsewhere == []


async def test_one_click_marks_a_whole_command(services: Deployment, person: Person) -> None:
    await person.open(services.resource.removesuffix("mcp"))
    await person.page.locator("pre.url").click()
    assert await person.page.evaluate("getSelection().toString()") == services.resource
