"""Environment variables, telemetry, email and organizations of the stand-in."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conftest import StillClock

from mcp_server.sandbox.accounts import ORG

pytestmark = pytest.mark.anyio

Connect = Callable[[str | None], httpx.AsyncClient]
Json = dict[str, Any]


async def test_a_variable_is_made_changed_and_deleted_and_never_shown(
    ada: httpx.AsyncClient, val: Json, clock: StillClock
) -> None:
    variables = f"/v2/vals/{val['id']}/environment_variables"
    made = await ada.post(variables, json={"key": "KEY", "value": "s3cret", "description": "for tests"})
    assert (made.status_code, made.json()["updatedAt"]) == (201, None)
    assert (await ada.post(variables, json={"key": "KEY", "value": "x"})).status_code == 409
    clock.seconds += 1
    changed = await ada.put(f"{variables}/KEY", json={"value": "other"})
    assert (changed.status_code, changed.json()["description"]) == (201, "for tests")
    listed = await ada.get(variables)
    assert [item["key"] for item in listed.json()["data"]] == ["KEY"]
    assert not any("s3cret" in answer.text or "other" in answer.text for answer in (made, changed, listed))
    assert (await ada.delete(f"{variables}/KEY")).status_code == 204
    assert (await ada.delete(f"{variables}/KEY")).status_code == 404
    assert (await ada.put(f"{variables}/KEY", json={"value": "x"})).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"key": "1A", "value": ""},
        {"key": "A-B", "value": ""},
        {"key": "A"},
        {"key": "A", "value": "x" * 8193},
    ],
)
async def test_a_variable_that_is_none_is_refused(ada: httpx.AsyncClient, val: Json, body: Json) -> None:
    assert (await ada.post(f"/v2/vals/{val['id']}/environment_variables", json=body)).status_code == 400


async def test_the_variables_of_others_are_not_found(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient, val: Json
) -> None:
    variables = f"/v2/vals/{val['id']}/environment_variables"
    await ada.post(variables, json={"key": "KEY", "value": "x"})
    assert (await grace.get(variables)).status_code == 404
    assert (await grace.delete(f"{variables}/KEY")).status_code == 404


async def test_a_request_to_an_endpoint_is_noted_in_traces_and_logs(
    ada: httpx.AsyncClient, connect: Connect, val: Json, write: Callable[..., Any]
) -> None:
    file = await write("main.ts", kind="http")
    endpoint = file["links"]["endpoint"]
    answered = await connect(None).post(f"{endpoint}/sub/path?x=1", content=b"ignored")
    assert answered.json()["request"] == {"method": "POST", "path": "/sub/path", "query": "x=1"}
    (trace,) = (await ada.get("/v1/telemetry/traces", params={"file_id": file["id"]})).json()["data"]
    assert (trace["name"], trace["status"]["code"]) == ("POST /sub/path", 1)
    logs = await ada.get("/v1/telemetry/logs", params={"trace_ids": trace["traceId"]})
    assert [line["body"] for line in logs.json()["data"]] == [{"stringValue": "POST /sub/path answered"}]


async def test_only_http_files_answer(connect: Connect, val: Json, write: Callable[..., Any]) -> None:
    file = await write("main.ts", kind="http")
    other = await write("other.ts", kind="script")
    branch = file["links"]["endpoint"].split("/")[-2]
    assert (await connect(None).get(f"/run/{branch}/{other['id']}")).status_code == 404


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("kind", ["logs", "traces"])
async def test_telemetry_is_walked_by_its_links_without_gap_or_repetition(
    ada: httpx.AsyncClient, kind: str, direction: str
) -> None:
    every = (await ada.get(f"/v1/telemetry/{kind}", params={"direction": direction})).json()["data"]
    assert len(every) > 1
    walked: list[Json] = []
    url = f"/v1/telemetry/{kind}?direction={direction}&limit=1"
    while url:
        page = (await ada.get(url)).json()
        walked += page["data"]
        url = page["links"].get("next", "")
    assert walked == every
    times = [item.get("timeUnixNano", item.get("startTimeUnixNano")) for item in every]
    assert times == sorted(times, key=int, reverse=direction == "desc")


async def test_telemetry_shows_only_the_accounts_own_vals(grace: httpx.AsyncClient, connect: Connect) -> None:
    assert (await grace.get("/v1/telemetry/logs")).json()["data"] == []
    assert (await connect("vtwn_sandbox_ada_vals").get("/v1/telemetry/logs")).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        {"direction": "up"},
        {"limit": "0"},
        {"limit": "101"},
        {"start": "yesterday"},
        {"file_id": "x"},
        {"trace_ids": "short"},
    ],
)
async def test_a_telemetry_query_that_is_none_is_refused(ada: httpx.AsyncClient, query: Json) -> None:
    assert (await ada.get("/v1/telemetry/logs", params=query)).status_code == 400


async def test_email_is_kept_and_shown_on_the_start_page(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient, connect: Connect
) -> None:
    message = {"subject": "<b>Hi</b>", "text": "x", "to": ["a@example.com", {"email": "b@example.com"}]}
    assert (await ada.post("/v1/email", json=message)).status_code == 202
    assert (await grace.post("/v1/email", json=message)).status_code == 403
    assert (await grace.post("/v1/email", json={"subject": "to myself"})).status_code == 202
    assert (await connect("vtwn_sandbox_ada_readonly").post("/v1/email", json=message)).status_code == 403
    page = await connect(None).get("/", headers={"Accept": "text/html"})
    assert "&lt;b&gt;Hi&lt;/b&gt;" in page.text
    assert "a@example.com, b@example.com" in page.text
    assert "grace@example.com" in page.text
    assert "ada/hello-http" in page.text


@pytest.mark.parametrize(
    "message",
    [
        {"to": ["a@example.com"] * 51},
        {"html": ""},
        {"attachments": [{"content": "", "filename": "a"}] * 6},
        {"replyToList": ["a@example.com"]},
        {"to": 5},
    ],
)
async def test_a_message_that_is_none_is_refused(ada: httpx.AsyncClient, message: Json) -> None:
    assert (await ada.post("/v1/email", json=message)).status_code == 400


async def test_members_share_what_their_organization_has(
    ada: httpx.AsyncClient, grace: httpx.AsyncClient
) -> None:
    assert (await grace.get("/v2/orgs")).json()["data"] == [{"id": ORG.id, "username": ORG.username}]
    members = (await ada.get(f"/v2/orgs/{ORG.id}/memberships")).json()
    assert [(member["user"]["username"], member["role"]) for member in members] == [
        ("ada", "owner"),
        ("grace", "member"),
    ]
    new = {"name": "shared", "privacy": "private", "orgId": ORG.id}
    val = (await ada.post("/v2/vals", json=new)).json()
    assert val["author"] == {"type": "org", "id": ORG.id, "username": ORG.username}
    assert (await grace.get(f"/v2/vals/{val['id']}")).status_code == 200
    written = await grace.post(
        f"/v2/vals/{val['id']}/files", params={"path": "a"}, json={"type": "file", "content": ""}
    )
    assert written.status_code == 201
    assert "shared" not in [item["name"] for item in (await ada.get("/v2/me/vals")).json()["data"]]


async def test_an_organization_nobody_belongs_to_is_not_found(ada: httpx.AsyncClient) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    assert (await ada.get(f"/v2/orgs/{unknown}/memberships")).status_code == 404
    new = {"name": "shared", "privacy": "public", "orgId": unknown}
    assert (await ada.post("/v2/vals", json=new)).status_code == 404
