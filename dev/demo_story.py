"""The demo from beginning to end: an app connects, works, asks for more, and is sent away."""

import json
import time
from typing import Any, Final

import anyio
import httpx

from dev.demo_connection import Connection
from dev.demo_narrator import Narrator, StepFailedError, answered, expect, pairs, short
from dev.flow import Browser
from dev.mcp_messages import McpRequest, call, challenge_of, handshake

REVOKED_WITHIN: Final = 5.0
"""Seconds until a revoked token must be refused; the promise is one."""

_VAL: Final = "hello_from_the_demo"
_FIRST_FILE: Final = {"path": "main.ts", "content": "// soon", "type": "http"}
_CODE: Final = 'export default () => new Response("Hello from the demo");\n'


class Story:
    """One run. Every step raises `StepFailedError` or `FlowError` when it goes another way than it should."""

    def __init__(self, narrator: Narrator, http: httpx.AsyncClient, browser: Browser, url: str) -> None:
        """Take who prints, the app's HTTP client, the person's browser, and the MCP server's URL."""
        self._narrator = narrator
        self._http = http
        self._url = url
        self._connection = Connection(narrator, http, browser, url)

    async def tell(self) -> None:
        """Tell all of it."""
        await self._connection.discover()
        await self._connection.register()
        reading = await self._connection.connect("read")
        await self._look_around(reading["access_token"])
        scope = await self._reach_too_far(reading["access_token"])
        writing = await self._connection.step_up(scope)
        await self._work(writing["access_token"])
        await self._write_concurrently(writing["access_token"])
        writing = await self._refresh(writing)
        await self._replay_first_code(reading["access_token"])
        await self._revoke(writing)

    async def _look_around(self, token: str) -> None:
        tell = self._narrator
        tell.step("List the tools, as curl and clients before 2026 do")
        tell.asked(f"POST {self._url}", f"tools/list, Authorization: Bearer {short(token)}")
        response = await handshake("tools/list", version=None).send(self._http, self._url, token)
        names = [tool["name"] for tool in answered(response, 200)["result"]["tools"]]
        tell.got("200", ", ".join(names))
        tell.why("Only what the grant reaches is listed: nothing here changes anything.")
        expect("list_my_vals" in names, "list_my_vals is missing")
        expect("create_val" not in names, "a tool beyond the grant is listed")

        tell.step("Call whoami, as clients of MCP 2026-07-28 do")
        answer = await self._call(call("whoami"), token, show_request=True)
        tell.got("200", *pairs({name: answer[name] for name in ("account", "granted", "scopes")}))
        tell.why("No handshake, no session: each request says all about itself, so any replica can answer.")

        tell.step("Call list_my_vals")
        vals = (await self._call(call("list_my_vals"), token))["vals"]
        tell.got("200", *[f"{val['owner']}/{val['name']} ({val['privacy']})" for val in vals[:5]])
        tell.why("The MCP server has used the person's Val Town token; the app never sees it.")

    async def _call(self, request: McpRequest, token: str, *, show_request: bool = False) -> dict[str, Any]:
        params = request.body["params"]
        details = pairs({**request.headers, "_meta": ""} | params["_meta"]) if show_request else []
        arguments = json.dumps(params["arguments"]) if params["arguments"] else ""
        self._narrator.asked(f"tools/call {params['name']} {arguments}".rstrip(), *details)
        result = answered(await request.send(self._http, self._url, token), 200)["result"]
        expect(not result.get("isError"), f"the tool failed: {result['content']}")
        content: dict[str, Any] = result["structuredContent"]
        return content

    async def _reach_too_far(self, token: str) -> str:
        tell = self._narrator
        tell.step("Reach too far: create a val with a grant to read")
        tell.asked(f"tools/call create_val {json.dumps({'name': _VAL})}")
        response = await call("create_val", name=_VAL).send(self._http, self._url, token)
        answered(response, 403)
        challenge = challenge_of(response)
        tell.got("403, WWW-Authenticate: Bearer", *pairs(challenge))
        tell.why("Refused before anything ran, and the app learns which scope to ask the person for.")
        expect(challenge.get("error") == "insufficient_scope", "the error is not insufficient_scope")
        expect("vals:write" in challenge.get("scope", "").split(), "the challenge does not name vals:write")
        return challenge["scope"]

    async def _work(self, token: str) -> None:
        tell = self._narrator
        tell.step("Create a val, write a file, read it back")
        created = await self._call(call("create_val", name=_VAL, initial_files=[_FIRST_FILE]), token)
        val = created["val"]
        tell.got("200", f"{val['owner']}/{val['name']} ({val['privacy']})")
        named = {"val": f"{val['owner']}/{val['name']}", "path": "main.ts"}
        written = await self._call(call("write_file", **named, content=_CODE), token)
        tell.got("200", f"main.ts is at version {written['file']['version']}")
        text = await self._call(call("read_file", **named), token)
        tell.got("200", text["content"].rstrip())
        tell.why("What was refused a moment ago: the same app, the same person, another token.")
        expect(text["content"] == _CODE, "the file holds something else than was written")

    async def _write_concurrently(self, token: str) -> None:
        tell = self._narrator
        tell.step("Two edit the same file: the second one to write is refused, and loses nothing")
        me = await self._call(call("get_me"), token)
        named = {"val": f"{me['username']}/{_VAL}", "path": "main.ts"}
        seen = (await self._call(call("read_file", **named), token))["file"]["version"]
        tell.got("200", f"both have read version {seen}")
        theirs = call("replace_in_file", **named, old_text="Hello", new_text="Hi", expected_version=seen)
        written = await self._call(theirs, token)
        tell.got("200", f"the first one's edit makes version {written['file']['version']}")
        mine = call("write_file", **named, content="// mine\n", expected_version=seen)
        tell.asked(f"tools/call write_file {json.dumps(mine.body['params']['arguments'])}")
        result = answered(await mine.send(self._http, self._url, token), 200)["result"]
        expect(result.get("isError") is True, "a stale write went through")
        tell.got("200, isError", *result["content"][0]["text"].splitlines())
        tell.why("Val Town has no conditional write: the tool compares versions just before it writes.")
        kept = (await self._call(call("read_file", **named), token))["content"]
        expect(kept == _CODE.replace("Hello", "Hi"), "the first one's edit is gone")
        tell.got("200", kept.rstrip())

    async def _refresh(self, tokens: dict[str, Any]) -> dict[str, Any]:
        tell = self._narrator
        tell.step("Refresh, twice with the same token")
        form = pairs({"grant_type": "refresh_token", "refresh_token": short(tokens["refresh_token"])})
        tell.asked("POST /oauth/token", *form)
        first = answered(await self._connection.client.refresh(tokens["refresh_token"]), 200)
        self._connection.show_tokens(first)
        expect(first["refresh_token"] != tokens["refresh_token"], "the refresh token did not change")
        tell.asked("POST /oauth/token", *form)
        again = answered(await self._connection.client.refresh(tokens["refresh_token"]), 200)
        self._connection.show_tokens(again)
        tell.why(
            "Each use gives a new refresh token. The old one again within a minute gives the very same "
            "answer, so that a lost response does no harm; later it is taken for theft, and the grant ends."
        )
        expect(again == first, "the second answer is another one")
        return again

    async def _replay_first_code(self, token: str) -> None:
        tell = self._narrator
        code, pkce = self._connection.redeemed[0]
        tell.step("Replay the first authorization code")
        tell.asked("POST /oauth/token", f"code {short(code)}, a second time")
        refusal = answered(await self._connection.client.redeem(code, pkce.verifier), 400)
        tell.got("400", *pairs(refusal))
        expect(refusal.get("error") == "invalid_grant", "the error is not invalid_grant")
        milliseconds = await self._refused_after(token)
        tell.got(f"401 for the access token that came of it, {milliseconds:.0f} ms later")
        tell.why("A code works once. Used again, its grant ends: two have it, and one of them is a thief.")

    async def _revoke(self, tokens: dict[str, Any]) -> None:
        tell = self._narrator
        tell.step("Revoke the grant, then try its access token")
        tell.asked("POST /oauth/revoke", f"token {short(tokens['refresh_token'])}")
        answered(await self._connection.client.revoke(tokens["refresh_token"]), 200)
        tell.got("200")
        tell.asked("tools/call whoami", f"Authorization: Bearer {short(tokens['access_token'])}")
        milliseconds = await self._refused_after(tokens["access_token"])
        tell.got(f"401 invalid_token: the revoked token was refused after {milliseconds:.0f} ms")
        tell.why("It had most of its hour left. Every replica of the MCP server hears of it at once.")

    async def _refused_after(self, token: str) -> float:
        """Return the milliseconds until a token is refused."""
        began = time.monotonic()
        while time.monotonic() - began < REVOKED_WITHIN:
            response = await call("whoami").send(self._http, self._url, token)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                milliseconds = (time.monotonic() - began) * 1000
                error = challenge_of(response).get("error")
                expect(error == "invalid_token", f"the error is {error}, not invalid_token")
                return milliseconds
            await anyio.sleep(0.005)
        raise StepFailedError(f"the token still works after {REVOKED_WITHIN:.0f} seconds")
