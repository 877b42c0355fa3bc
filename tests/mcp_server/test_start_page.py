"""GET /: how to connect each client, and how this replica is, for people and for programs."""

from pathlib import Path

import pytest

import auth_server
import mcp_server
from tests.support.resource_server import ISSUER, RESOURCE, OpenServer, Outside, Server

pytestmark = pytest.mark.anyio

PEOPLE = {"Accept": "text/html,*/*;q=0.8"}


async def test_the_start_page_tells_programs_and_people_how_to_connect(server: Server) -> None:
    for_programs = await server.http.get("/")
    told = for_programs.json()
    assert told["mcp_endpoint"] == RESOURCE
    assert told["connected_apps"] == f"{ISSUER}/account"
    assert {"claude", "claude_code", "chatgpt", "vs_code", "cursor", "inspector", "curl"} <= set(
        told["connect"]
    )
    assert set(told["health"].values()) == {"ok"}
    for_people = await server.http.get("/", headers=PEOPLE)
    assert for_people.headers["content-type"].startswith("text/html")
    assert f"claude mcp add --transport http val-town {RESOURCE}" in for_people.text
    assert f'href="{ISSUER}/account"' in for_people.text
    assert "list_my_vals" in for_people.text


async def test_the_page_has_neither_script_nor_style_in_it_and_its_policy_allows_none(server: Server) -> None:
    page = await server.http.get("/", headers=PEOPLE)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "style-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not [one for one in ("<script", "<style", "style=", "onclick=") if one in page.text]
    style = await server.http.get("/home.css")
    assert style.status_code == 200
    assert style.headers["content-type"].startswith("text/css")
    assert "url(" not in style.text


async def test_a_tool_set_that_is_switched_off_is_not_on_the_page(open_server: OpenServer) -> None:
    async with open_server(val_town_toolsets="vals") as server:
        page = (await server.http.get("/", headers=PEOPLE)).text
    assert "list_my_vals" in page
    assert "send_email" not in page


async def test_without_oauth_only_clients_that_send_the_header_are_named(open_server: OpenServer) -> None:
    async with open_server(oauth_enabled=False) as server:
        told = (await server.http.get("/")).json()
        page = await server.http.get("/", headers=PEOPLE)
    assert set(told["connect"]) == {"claude_code", "vs_code", "cursor", "inspector", "curl"}
    assert all("X-Val-Town-Token" in text for text in told["connect"].values())
    assert "/account" not in page.text


async def test_a_replica_that_is_not_ready_says_what_it_lacks_and_still_shows_the_page(
    open_server: OpenServer, outside: Outside
) -> None:
    outside.issuer_down = True
    async with open_server(ready=False) as server:
        told = await server.http.get("/")
        page = await server.http.get("/", headers=PEOPLE)
    assert told.status_code == page.status_code == 200
    assert told.json()["health"]["store"] == "ok"
    assert told.json()["health"]["signing keys"] == "failing"
    assert "failing" in page.text


def test_both_services_pages_have_the_same_colours() -> None:
    ours = _colours(Path(mcp_server.__file__).parent / "endpoints" / "templates" / "home.css")
    theirs = _colours(Path(auth_server.__file__).parent / "endpoints" / "templates" / "style.css")
    assert ours
    assert set(ours) <= set(theirs)


def _colours(file: Path) -> list[str]:
    return [
        line.strip() for line in file.read_text(encoding="utf-8").splitlines() if "--" in line and "#" in line
    ]
