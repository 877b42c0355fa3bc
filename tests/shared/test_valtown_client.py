"""The Val Town client against hostile upstreams, and once through every method against the sandbox."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.sandbox.app import create_app
from shared import logs
from shared.valtown.client import ValTownClient
from shared.valtown.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
    ValTownError,
    error_for,
)
from shared.valtown.target import build_target
from shared.valtown.transport import Bounds
from tests.requirements import requirement

BASE_URL = "https://api.example.test/prefix"
TOKEN = "vtwn_SecretOfTheTests0123456789abcdef"
VAL_ID = "11111111-2222-4333-8444-555555555555"
USER = {
    "id": "u1",
    "type": "user",
    "username": "ada",
    "bio": None,
    "profileImageUrl": None,
    "url": "https://www.val.town/u/ada",
    "links": {"self": "https://api.example.test/v1/users/u1"},
    "tier": "pro",
    "email": "ada@example.test",
    "somethingNew": {"nested": True},
}
UNLIMITED = Bounds()

pytestmark = pytest.mark.anyio

Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass
class Upstream:
    """A stub of Val Town: answers in the order given, the last one for good, and remembers the requests."""

    answers: list["Reply | Exception"]
    requests: list[httpx.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer.response()

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def client(self, token: str = TOKEN, bounds: Bounds = UNLIMITED, **pool: object) -> ValTownClient:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self), **pool)  # type: ignore[arg-type]
        return ValTownClient(http, BASE_URL, token, bounds=bounds, sleep=self.pause)


class Chunks(httpx.AsyncByteStream):
    """A body as it comes from a connection."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


@dataclass
class Reply:
    """An answer of the stub, fresh for every request."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    json: object = None
    stream: httpx.AsyncByteStream | None = None

    def response(self) -> httpx.Response:
        content = self.content if self.json is None else json.dumps(self.json).encode()
        return httpx.Response(self.status, headers=self.headers, stream=self.stream or Chunks(content))


class Endless(httpx.AsyncByteStream):
    """A body that never ends; counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 65536
            yield b"x" * 65536

    async def aclose(self) -> None:
        self.closed = True


class Silent(httpx.AsyncByteStream):
    """A body that never comes."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def failure(call: Awaitable[object]) -> ValTownError:
    with pytest.raises(ValTownError) as caught:
        await call
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(caught.value)
    return caught.value


async def test_a_good_answer_becomes_a_typed_record_and_unknown_members_are_ignored() -> None:
    upstream = Upstream([Reply(200, json=USER)])
    user = await upstream.client().me()
    assert (user.id, user.username, user.tier, user.email) == ("u1", "ada", "pro", "ada@example.test")
    (request,) = upstream.requests
    assert str(request.url) == f"{BASE_URL}/v1/me"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "content-type" not in request.headers


@requirement("L237")
async def test_a_redirect_is_an_error_and_the_credential_goes_nowhere_else() -> None:
    elsewhere = Reply(302, headers={"location": "https://attacker.example/v1/me"})
    upstream = Upstream([elsewhere])
    error = await failure(upstream.client(follow_redirects=True).me())
    assert isinstance(error, Unavailable)
    assert [request.url.host for request in upstream.requests] == ["api.example.test"]


async def test_cookies_and_headers_of_the_shared_pool_stay_out_of_requests() -> None:
    upstream = Upstream([Reply(200, json=USER, headers={"set-cookie": "session=ada"})])
    client = upstream.client(headers={"x-pool": "1"}, cookies={"a": "b"}, auth=("user", "password"))
    await client.me()
    await client.me()
    for request in upstream.requests:
        assert "cookie" not in request.headers
        assert "x-pool" not in request.headers
        assert request.headers["authorization"] == f"Bearer {TOKEN}"


@requirement("I192")
async def test_an_endless_body_is_cut_and_the_connection_is_closed() -> None:
    body = Endless()
    upstream = Upstream([Reply(200, stream=body)])
    error = await failure(upstream.client(bounds=Bounds(answer_bytes=200_000)).file_content(VAL_ID, "a"))
    assert isinstance(error, Unavailable)
    assert body.taken <= 200_000 + 65536
    assert body.closed


async def test_an_endless_error_body_still_gives_the_error_of_its_status() -> None:
    body = Endless()
    error = await failure(Upstream([Reply(403, stream=body)]).client().me())
    assert isinstance(error, Forbidden)
    assert body.taken <= 131_072
    assert body.closed


@requirement("I192")
async def test_a_body_declared_too_large_is_not_read() -> None:
    body = Endless()
    answer = Reply(200, stream=body, headers={"content-length": "999999999999999999999999"})
    assert isinstance(await failure(Upstream([answer]).client().me()), Unavailable)
    assert body.taken == 0


async def test_a_body_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    exact = Upstream([Reply(200, content=b"x" * 1000)]).client(bounds=Bounds(answer_bytes=1000))
    assert await exact.file_content(VAL_ID, "a") == b"x" * 1000
    over = Upstream([Reply(200, content=b"x" * 1001)]).client(bounds=Bounds(answer_bytes=1000))
    assert isinstance(await failure(over.file_content(VAL_ID, "a")), Unavailable)


async def test_a_compressed_answer_is_refused_before_it_unfolds() -> None:
    answer = Reply(200, stream=Endless(), headers={"content-encoding": "gzip"})
    upstream = Upstream([answer])
    assert isinstance(await failure(upstream.client().me()), Unavailable)
    assert upstream.requests[0].headers["accept-encoding"] == "identity"


async def test_the_whole_call_has_one_deadline() -> None:
    upstream = Upstream([Reply(200, stream=Silent())])
    error = await failure(upstream.client(bounds=Bounds(total_seconds=0.02)).me())
    assert isinstance(error, Unavailable)
    assert error.status is None
    assert upstream.requests[0].extensions["timeout"]["connect"] == 2.0


@pytest.mark.parametrize(
    "body", [b"", b"not json", b"[]", b'{"id": 1}', b"<html>", b'{"id":"\\ud800"}', b"[" * 100_000]
)
async def test_an_answer_of_another_shape_is_unavailable_and_not_quoted(body: bytes) -> None:
    error = await failure(Upstream([Reply(200, content=body)]).client().me())
    assert isinstance(error, Unavailable)
    assert "html" not in error.message


@requirement("I194", "L236")
async def test_a_refusal_that_echoes_the_credential_is_redacted() -> None:
    opaque = "opaque0123456789abcdefghijklmnopqrstuvwxyz01"
    message = f"bad token {opaque} and vtwn_somebodyelses123"
    upstream = Upstream([Reply(401, json={"message": message})])
    error = await failure(upstream.client(opaque).me())
    assert isinstance(error, Unauthorized)
    assert opaque not in error.message
    assert "vtwn_" not in error.message
    assert error.message.startswith("bad token")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, BadRequest),
        (422, BadRequest),
        (429, RateLimited),
        (500, Unavailable),
    ],
)
async def test_every_status_has_its_error_with_the_message_of_val_town(
    status: int, kind: type[ValTownError]
) -> None:
    for body in (
        {"message": "the reason"},
        {"error": "the reason"},
        {"error": {"code": 1}, "message": "the reason"},
    ):
        error = await failure(Upstream([Reply(status, json=body)]).client().me())
        assert type(error) is kind
        assert (error.status, error.message) == (status, "the reason")
    assert type(error_for(status, "x")) is kind


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"[]", b'{"message": {"a": 1}}', b"[" * 100_000])
async def test_a_refusal_without_a_reason_is_still_the_error_of_its_status(body: bytes) -> None:
    error = await failure(Upstream([Reply(404, content=body)]).client().me())
    assert isinstance(error, NotFound)
    assert error.message == "No reason given."


async def test_a_message_is_one_bounded_line() -> None:
    message = "first\r\nsecond\x00\x1b[31m" + "x" * 10_000
    error = await failure(Upstream([Reply(400, json={"message": message})]).client().me())
    assert error.message.startswith("first second [31mx")
    assert len(error.message) == 500


async def test_rate_limiting_tells_how_long_to_wait_and_is_not_retried() -> None:
    upstream = Upstream([Reply(429, json={"message": "slow down"}, headers={"retry-after": "7"})])
    error = await failure(upstream.client().me())
    assert isinstance(error, RateLimited)
    assert error.retry_after == 7.0
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e9", "Wed, 21 Oct 2026 07:28:00 GMT", ""])
async def test_a_retry_after_that_is_no_number_of_seconds_is_ignored(value: str) -> None:
    answer = Reply(429, json={"message": "slow down"}, headers={"retry-after": value})
    error = await failure(Upstream([answer]).client().me())
    assert isinstance(error, RateLimited)
    assert error.retry_after is None


FAULTS = [
    Reply(502),
    Reply(503),
    Reply(504),
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_read_is_tried_once_more_after_a_passing_fault(fault: Reply | Exception) -> None:
    upstream = Upstream([fault, Reply(200, json=USER)])
    assert (await upstream.client().me()).id == "u1"
    assert len(upstream.requests) == 2
    assert len(upstream.pauses) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_read_is_not_tried_a_third_time(fault: Reply | Exception) -> None:
    upstream = Upstream([fault])
    assert isinstance(await failure(upstream.client().me()), Unavailable)
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_write_is_never_sent_twice(fault: Reply | Exception) -> None:
    upstream = Upstream([fault])
    client = upstream.client()
    for write in (
        client.create_val("a", "public"),
        client.update_file(VAL_ID, "a", "text"),
        client.delete_file(VAL_ID, "a"),
    ):
        assert isinstance(await failure(write), Unavailable)
    assert [request.method for request in upstream.requests] == ["POST", "PUT", "DELETE"]


async def test_a_small_retry_after_is_waited_for_and_a_long_one_is_passed_on() -> None:
    soon = Upstream([Reply(503, headers={"retry-after": "1.5"}), Reply(200, json=USER)])
    await soon.client().me()
    assert soon.pauses == [1.5]
    late = Upstream([Reply(503, headers={"retry-after": "60"}), Reply(200, json=USER)])
    assert isinstance(await failure(late.client().me()), Unavailable)
    assert late.pauses == []


async def test_a_delete_sends_neither_body_nor_content_type_and_takes_an_empty_answer() -> None:
    for answer in (Reply(204), Reply(200, content=b"")):
        upstream = Upstream([answer])
        await upstream.client().delete_file(VAL_ID, "a/b.ts", recursive=True)
        (request,) = upstream.requests
        assert "content-type" not in request.headers
        assert "content-length" not in request.headers
        assert dict(request.url.params) == {"path": "a/b.ts", "recursive": "true"}


async def test_a_write_sends_json() -> None:
    file = {
        "id": "f",
        "name": "a",
        "path": "a",
        "version": 1,
        "updatedAt": "2026-01-01T00:00:00Z",
        "type": "file",
        "links": {"self": "s", "html": "h", "module": "m"},
    }
    upstream = Upstream([Reply(201, json=file)])
    await upstream.client().create_file(VAL_ID, "a", 'é"\n\x00', "file", branch_id="b1")
    (request,) = upstream.requests
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content) == {"type": "file", "content": 'é"\n\x00'}
    assert dict(request.url.params) == {"path": "a", "branch_id": "b1"}


@pytest.mark.parametrize("token", ["", "with space", "line\r\nX-Evil: 1", "é", "nul\x00"])
async def test_what_no_header_can_carry_is_no_token_and_is_not_sent(token: str) -> None:
    upstream = Upstream([Reply(200, json=USER)])
    with pytest.raises(Unauthorized):
        await upstream.client(token).me()
    assert upstream.requests == []


@requirement("I186", "L238")
@pytest.mark.parametrize("name", ["", ".", "..", "a\r\nb", "nul\x00", "\ud800"])
async def test_a_parameter_that_could_climb_or_break_the_line_is_refused_unsent(name: str) -> None:
    upstream = Upstream([Reply(200, json={})])
    with pytest.raises(BadRequest):
        await upstream.client().val_by_name("ada", name)
    assert upstream.requests == []


@requirement("I186", "L238")
@given(st.text(min_size=1), st.text())
def test_no_parameter_changes_which_endpoint_is_called(segment: str, path: str) -> None:
    try:
        url = build_target(BASE_URL, "/v2/vals/{val_id}/files", {"val_id": segment}, {"path": path})
    except BadRequest:
        return
    before, _, after = url.raw_path.partition(b"?")
    assert (url.scheme, url.host, url.port) == ("https", "api.example.test", None)
    assert before.startswith(b"/prefix/v2/vals/")
    assert before.endswith(b"/files")
    assert before.count(b"/") == 5
    assert after.count(b"&") == 0
    assert httpx.URL(str(url)).raw_path == url.raw_path
    assert url.params["path"] == path


@requirement("I186")
@pytest.mark.parametrize(
    "hostile",
    ["../../v1/me", "%2e%2e%2fme", "x?y=1", "x#y", "a/b", "//evil.example", "@evil.example", "\\..\\"],
)
async def test_hostile_names_stay_one_segment(hostile: str) -> None:
    upstream = Upstream([Reply(404, json={"message": "no"})])
    await failure(upstream.client().val_by_name("ada", hostile))
    (request,) = upstream.requests
    path, _, query = request.url.raw_path.partition(b"?")
    assert path.startswith(b"/prefix/v2/alias/vals/ada/")
    assert path.count(b"/") == 6
    assert query == b""
    assert request.url.host == "api.example.test"


@requirement("L236")
async def test_debug_lines_have_the_template_and_no_credential_or_content() -> None:
    upstream = Upstream([Reply(500, json={"message": f"echo {TOKEN}"})])
    stream = io.StringIO()
    logs.configure("test", "valtown:*", stream=stream)
    try:
        await failure(upstream.client().update_file(VAL_ID, "secret/path.ts", "the content"))
    finally:
        structlog.reset_defaults()
    line = json.loads(stream.getvalue())
    assert (line["method"], line["path"], line["status"]) == ("PUT", "/v2/vals/{val_id}/files", 500)
    assert line["ms"] >= 0
    for secret in (TOKEN, "the content", "secret/path.ts", VAL_ID):
        assert secret not in repr(line)


@requirement("L236")
async def test_the_client_does_not_show_its_credential() -> None:
    client = Upstream([]).client()
    assert TOKEN not in repr(client)
    assert TOKEN not in str(client)


async def test_every_method_works_against_the_sandbox(tmp_path: Path) -> None:
    app = create_app(tmp_path, base_url="http://sandbox.test")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http,
    ):
        client = ValTownClient(http, "http://sandbox.test", "vtwn_sandbox_ada")
        me = await client.me()
        assert (await client.user_by_name("ada")).id == me.id
        val = await client.create_val("methods", "private", "one line")
        assert (await client.val(val.id)) == (await client.val_by_name("ada", "methods"))
        first = await client.my_vals(limit=1)
        assert len(first.items) == 1
        assert first.has_more
        (main,) = (await client.branches(val.id)).items
        assert (await client.branch(val.id, main.id)).name == "main"
        await client.create_directory(val.id, "empty", branch_id=main.id)
        created = await client.create_file(val.id, "src/a.ts", "one", "script")
        updated = await client.update_file(val.id, "src/a.ts", "two", branch_id=main.id)
        assert updated.version > created.version
        assert await client.file_content(val.id, "src/a.ts") == b"two"
        assert await client.file_content(val.id, "src/a.ts", version=created.version) == b"one"
        paths = {file.path for file in (await client.files(val.id, recursive=True)).items}
        assert paths == {"empty", "src", "src/a.ts"}
        await client.delete_file(val.id, "src", recursive=True)
        assert [file.path for file in (await client.files(val.id)).items] == ["empty"]
        await client.delete_val(val.id)
        with pytest.raises(NotFound):
            await client.val(val.id)
