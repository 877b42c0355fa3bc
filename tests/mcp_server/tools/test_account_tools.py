"""Web endpoints, environment variables, telemetry, email, organizations, finding and copying vals."""

import httpx
import pytest
from fastapi import FastAPI

from tests.support.tool_caller import Caller, stubbed, text_of

pytestmark = pytest.mark.anyio

VAL = "ada/hello-http"
VAL_ID = "11111111-2222-4333-8444-555555555555"


def serving(endpoint: str, **answer: object) -> Caller:
    """Return a caller whose only file is served at an address, and what answers there."""
    file = {
        "id": VAL_ID,
        "name": "main.ts",
        "path": "main.ts",
        "version": 1,
        "updatedAt": "2026-01-01T00:00:00Z",
        "type": "http",
        "links": {"self": "s", "html": "h", "module": "m", "endpoint": endpoint},
    }

    def give(request: httpx.Request) -> httpx.Response:
        if request.url.path == f"/v2/vals/{VAL_ID}/files":
            return httpx.Response(200, json={"data": [file], "links": {"self": "s"}})
        return httpx.Response(**{"status_code": 200, "content": b"hello", **answer})  # type: ignore[arg-type]

    caller: Caller = stubbed(give)
    return caller


@pytest.mark.parametrize("endpoint", ["https://a.val.run", "https://ada--0123.web.val.run/"])
async def test_a_val_is_visited_without_the_credential(endpoint: str) -> None:
    caller = serving(endpoint)
    answered = await caller.ok(
        "fetch_val_endpoint", val=VAL_ID, path="main.ts", request_path="/a b/ü", query="q=1&r=x y"
    )
    assert (answered["status"], answered["body"]) == (200, "hello")
    visit = caller.requests[-1]
    assert str(visit.url) == f"{endpoint.rstrip('/')}/a%20b/%C3%BC?q=1&r=x%20y"
    assert "authorization" not in visit.headers


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://a.val.run",
        "https://val.run.evil.example",
        "https://evilval.run",
        "https://127.0.0.1",
        "https://a.val.run:6379",
        "https://a.val.run@evil.example",
        "https://a.val.run?x=",
        "https://169.254.169.254/latest",
        "http://sandbox.test.evil.example",
        "file:///etc/passwd",
        "",
    ],
)
async def test_an_address_vals_are_not_served_at_is_never_visited(endpoint: str) -> None:
    caller = serving(endpoint)
    await caller.refused("fetch_val_endpoint", val=VAL_ID, path="main.ts")
    assert [request.url.host for request in caller.requests] == ["sandbox.test"]


@pytest.mark.parametrize(
    "path", ["/../x", "/%2e%2e/x", "//evil.example", "x", "/a?b", "/a#b", "/a\r\nb", "/\\x"]
)
async def test_a_request_path_that_leads_elsewhere_is_refused(path: str) -> None:
    caller = serving("https://a.val.run/base")
    await caller.refused("fetch_val_endpoint", val=VAL_ID, path="main.ts", request_path=path)
    assert "a.val.run" not in [request.url.host for request in caller.requests]


async def test_a_redirect_of_a_val_is_shown_and_not_followed() -> None:
    caller = serving("https://a.val.run", status_code=302, headers={"location": "https://evil.example/"})
    answered = await caller.ok("fetch_val_endpoint", val=VAL_ID, path="main.ts")
    assert (answered["status"], answered["location"]) == (302, "https://evil.example/")
    assert "evil.example" not in [request.url.host for request in caller.requests]


async def test_a_long_answer_is_cut_and_says_so() -> None:
    caller = serving("https://a.val.run", content=b"x" * 1000)
    answered = await caller.ok("fetch_val_endpoint", val=VAL_ID, path="main.ts", limit=10)
    assert (answered["body"], answered["truncated"]) == ("x" * 10, True)


async def test_what_may_change_something_is_sent_by_another_tool_with_a_body(examples: Caller) -> None:
    assert "`method`" in await examples.refused("fetch_val_endpoint", val=VAL, path="main.ts", method="POST")
    await examples.ok("call_val_endpoint", val=VAL, path="main.ts", method="PUT", body='{"a": 1}')
    sent = examples.requests[-1]
    assert (sent.method, sent.content, sent.headers["content-type"]) == (
        "PUT",
        b'{"a": 1}',
        "application/json",
    )
    assert "authorization" not in sent.headers


async def test_the_value_of_a_variable_is_never_in_a_result(examples: Caller) -> None:
    result = await examples.result("set_env_var", val=VAL, key="NEW", value="hunter2-secret")
    assert not result.is_error
    listed = await examples.result("list_env_vars", val=VAL)
    assert "hunter2" not in text_of(result) + text_of(listed)
    assert "NEW" in text_of(listed)


async def test_a_refusal_that_quotes_the_value_is_not_passed_on() -> None:
    caller: Caller = stubbed(
        lambda request: httpx.Response(400, json={"message": "body/value hunter2-secret is bad"})
    )
    refused = await caller.refused("set_env_var", val=VAL_ID, key="NEW", value="hunter2-secret")
    assert "hunter2" not in refused
    assert "400" in refused


async def test_setting_a_variable_again_replaces_it(examples: Caller) -> None:
    assert (await examples.ok("set_env_var", val=VAL, key="NEW", value="1"))["replaced"] is False
    assert (await examples.ok("set_env_var", val=VAL, key="NEW", value="2"))["replaced"] is True


async def test_the_latest_errors_come_with_their_logs(examples: Caller) -> None:
    (error,) = (await examples.ok("get_recent_errors"))["errors"]
    assert error["trace"]["status"] == "error"
    assert [line["text"] for line in error["logs"]] == ["Counting", "TypeError: counts is not iterable"]
    assert (await examples.ok("get_recent_errors", val=VAL))["errors"] == []


async def test_logs_are_narrowed_by_val_file_branch_run_and_level(examples: Caller) -> None:
    await examples.ok("fetch_val_endpoint", val=VAL, path="main.ts")
    assert len((await examples.ok("get_logs", val=VAL))["logs"]) == 1
    assert len((await examples.ok("get_logs", val=VAL, path="main.ts"))["logs"]) == 1
    assert (await examples.ok("get_logs", val=VAL, path="README.md"))["logs"] == []
    assert (await examples.ok("get_logs", val=VAL, branch="draft"))["logs"] == []
    errors = (await examples.ok("get_logs", severity="error"))["logs"]
    assert [line["severity"] for line in errors] == ["ERROR"]
    of_run = await examples.ok("get_logs", trace_ids=[errors[0]["trace_id"]])
    assert len(of_run["logs"]) == 2
    assert "need `val`" in await examples.refused("get_logs", path="main.ts")


async def test_logs_are_walked_to_the_end_without_gap(examples: Caller) -> None:
    every = (await examples.ok("get_logs"))["logs"]
    walked: list[object] = []
    end: dict[str, object] = {}
    while True:
        page = await examples.ok("get_logs", limit=1, **end)
        walked += page["logs"]
        if "next_end" not in page:
            break
        end = {"end": page["next_end"]}
    assert walked == every


async def test_an_email_needs_words_and_plain_addresses(examples: Caller) -> None:
    assert "Nothing was sent" in await examples.refused("send_email", subject="x")
    for hostile in ("a@b.c\r\nBcc: x@y.z", "A <a@b.c>", "a@b.c,d@e.f", "nobody"):
        assert "`to" in await examples.refused("send_email", subject="x", text="x", to=[hostile])
    assert "`subject`" in await examples.refused("send_email", subject="x\r\nBcc: a@b.c", text="x")
    assert examples.requests == []
    attached = {"filename": "a.txt", "content": "hi"}
    await examples.ok("send_email", subject="x", text="x", attachments=[attached])
    assert b'"attachments":[{"filename":"a.txt","content":"aGk="}]' in examples.requests[-1].content


async def test_vals_are_found_by_text_and_by_user(examples: Caller) -> None:
    own = await examples.ok("search_vals", query="GREETING")
    assert [val["name"] for val in own["vals"]] == ["hello-http"]
    of_grace = await examples.ok("search_vals", query="count", user="@grace")
    assert [val["owner"] for val in of_grace["vals"]] == ["grace"]
    assert (await examples.ok("search_vals", query="nothing like it"))["incomplete"] is False


async def test_public_vals_are_walked_by_cursor(examples: Caller) -> None:
    first = await examples.ok("list_public_vals", limit=1)
    second = await examples.ok("list_public_vals", limit=1, cursor=first["next_cursor"])
    assert first["vals"] != second["vals"]
    assert "`cursor`" in await examples.refused("list_public_vals", cursor="https://evil.example/")


async def test_a_remix_has_the_files_with_their_types(examples: Caller, sandbox: FastAPI) -> None:
    made = await examples.ok("remix_val", val=VAL, name="copy", privacy="private")
    assert made["files"] == 3
    listed = (await examples.ok("list_files", val="ada/copy"))["files"]
    assert {file["path"]: file["type"] for file in listed} == {
        "README.md": "file",
        "lib": "directory",
        "lib/greet.ts": "script",
        "main.ts": "http",
    }
    assert "already has" in await examples.refused("remix_val", val=VAL, name="copy")
    grace = Caller(httpx.ASGITransport(sandbox), token="vtwn_sandbox_grace")
    assert "free" in (await grace.refused("remix_val", val=VAL, name="copy", privacy="private")).lower()


async def test_a_val_of_an_organization_is_made_and_worked_on(examples: Caller) -> None:
    made = await examples.ok("create_val", name="shared", org="sandbox-org", privacy="private")
    assert made["val"]["owner"] == "sandbox-org"
    await examples.ok("create_file", val="sandbox-org/shared", path="a", content="")
