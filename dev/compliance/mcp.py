"""Does `/mcp` let in whom it should, as far as it should, in both eras (MCP authorization and transports)?"""

from collections.abc import Mapping
from typing import Any, Final

import httpx

from dev.compliance.report import Report
from dev.compliance.target import Target, json_of
from dev.mcp_messages import HANDSHAKE, MODERN, McpRequest, call, challenge_of, handshake, modern

_CLIENT: Final = {"name": "compliance", "version": "1"}
_EVIL: Final = "https://evil.example"


async def check_mcp(target: Target, report: Report) -> None:
    """Check the MCP endpoint with a grant to read and one to write, of which only the list is used."""
    reading = str((await target.tokens(target.client, "read"))["access_token"])
    writing = str((await target.tokens(target.client, "read write"))["access_token"])
    await _credentials(target, report, reading)
    await _scopes(target, report, reading, writing)
    await _handshake_era(target, report, reading)
    await _modern_era(target, report, reading)
    await _transport(target, report, reading)
    await _legacy_header(target, report, reading)


async def _credentials(target: Target, report: Report, token: str) -> None:
    response = await target.mcp(call("whoami"), token)
    report.equal("mcp: a good token is let in", response.status_code, 200)
    after = await target.mcp(call("whoami"))
    report.equal("mcp: the next request on that connection needs it again", after.status_code, 401)
    header, payload, signature = token.split(".")
    forged = f"{header}.{payload}.{signature[:-8]}AAAAAAAA"
    for name, bad in (("no token of ours", "not-a-token"), ("a forged signature", forged)):
        response = await target.mcp(call("whoami"), bad)
        challenge = challenge_of(response)
        got = (response.status_code, challenge.get("error"), challenge.get("resource_metadata"))
        report.equal(f"rfc6750 mcp: {name}", got, (401, "invalid_token", target.resource_metadata_url))
    lower = McpRequest({"Authorization": f"bearer {token}"}, handshake("ping").body)
    report.equal("rfc6750 mcp: Bearer in lower case", (await target.mcp(lower)).status_code, 200)
    in_query = await call("whoami").send(target.http, f"{target.mcp_url}?access_token={token}")
    report.equal("oauth 2.1 mcp: a token in the URL is none", in_query.status_code, 401)


async def _scopes(target: Target, report: Report, reading: str, writing: str) -> None:
    narrow = await _tool_names(target, modern("tools/list"), reading)
    report.has("mcp scopes: reading tools are listed for read", narrow, "whoami", "list_my_vals")
    report.that(
        "mcp scopes: writing tools are not", "create_val" not in narrow, expected="no create_val", got=narrow
    )
    wide = await _tool_names(target, modern("tools/list"), writing)
    report.has("mcp scopes: for write they are", wide, "create_val", "list_my_vals")
    answer = json_of(await target.mcp(call("list_my_vals", limit=1), reading)).get("result", {})
    report.that(
        "mcp tools: one that reads works",
        not answer.get("isError") and "vals" in answer.get("structuredContent", {}),
        expected="vals",
        got=answer,
    )
    # With arguments that no val can be made from, should the check of the scope fail.
    for era, request in (
        (MODERN, call("create_val", name="")),
        (HANDSHAKE, handshake("tools/call", {"name": "create_val", "arguments": {"name": ""}})),
    ):
        response = await target.mcp(request, reading)
        challenge = challenge_of(response)
        got = (response.status_code, challenge.get("error"), challenge.get("resource_metadata"))
        expected = (403, "insufficient_scope", target.resource_metadata_url)
        report.equal(f"mcp scopes: a call beyond the grant is a 403 challenge ({era})", got, expected)
        report.has(
            f"mcp scopes: it names what is granted and what is needed ({era})",
            challenge.get("scope", "").split(),
            "read",
            "vals:write",
        )


async def _handshake_era(target: Target, report: Report, token: str) -> None:
    plain = handshake("tools/list", version=None)
    response = await target.http.post(
        target.mcp_url,
        json=plain.body,
        headers={"Authorization": f"Bearer {token}", "Accept": "*/*"},
    )
    content_type = response.headers.get("content-type", "").partition(";")[0]
    report.equal(
        "guide: curl lists tools without initialize",
        (response.status_code, content_type),
        (200, "application/json"),
    )
    opening = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}
    opened = await target.mcp(handshake("initialize", opening, version=None), token)
    report.equal(f"mcp {HANDSHAKE}: initialize", _result(opened).get("protocolVersion"), HANDSHAKE)
    report.equal(f"mcp {HANDSHAKE}: no session to keep", opened.headers.get("mcp-session-id"), None)
    notified = McpRequest(
        {"MCP-Protocol-Version": HANDSHAKE}, {"jsonrpc": "2.0", "method": "notifications/initialized"}
    )
    report.equal(f"mcp {HANDSHAKE}: a notification", (await target.mcp(notified, token)).status_code, 202)
    for version in (HANDSHAKE, "2025-06-18", "2025-03-26"):
        names = await _tool_names(target, handshake("tools/list", version=version), token)
        report.has(f"mcp {version}: tools/list", names, "whoami")


async def _modern_era(target: Target, report: Report, token: str) -> None:
    found = _result(await target.mcp(modern("server/discover"), token))
    report.has(f"mcp {MODERN}: server/discover", found.get("supportedVersions", []), MODERN, HANDSHAKE)
    listed = _result(await target.mcp(modern("tools/list"), token))
    report.equal(
        f"mcp {MODERN}: lists are for this caller alone",
        (listed.get("resultType"), listed.get("cacheScope")),
        ("complete", "private"),
    )
    lying = call("whoami").with_headers(Mcp_Name="get_me")
    await _refused(target, report, token, "headers must agree with the body", lying, 400, -32020)
    strange = modern("tools/list").with_headers(MCP_Protocol_Version="2099-01-01")
    strange = McpRequest(strange.headers, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    await _refused(target, report, token, "an unknown revision is told what is known", strange, 400, -32022)
    bare = McpRequest(modern("tools/list").headers, {"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    await _refused(target, report, token, "_meta is required", bare, 400, -32602)
    await _refused(target, report, token, "an unknown method", modern("no/such"), 404, -32601)
    await _refused(target, report, token, "an unknown tool", call("no_such_tool"), 400, -32602)


async def _transport(target: Target, report: Report, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    for method in ("GET", "DELETE"):
        bare = await target.http.request(method, target.mcp_url)
        report.equal(f"mcp: {method} without a token", bare.status_code, 401)
        allowed = await target.http.request(method, target.mcp_url, headers=bearer)
        report.equal(
            f"mcp: {method} with one", (allowed.status_code, allowed.headers.get("allow")), (405, "POST")
        )
    evil = await target.mcp(call("whoami").with_headers(Origin=_EVIL), token)
    report.equal("mcp: a web page from elsewhere, good token or not", evil.status_code, 403)
    garbage = await target.http.post(
        target.mcp_url, content=b"{", headers={**bearer, "Content-Type": "application/json"}
    )
    code = json_of(garbage).get("error", {}).get("code")
    report.equal("json-rpc: what is no JSON", (garbage.status_code, code), (400, -32700))
    preflight = await target.http.options(
        target.mcp_url,
        headers={
            "Origin": target.mcp_origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,mcp-method,mcp-name",
        },
    )
    allowed_headers = [name.strip().lower() for name in _list(preflight, "access-control-allow-headers")]
    report.has(
        "cors: web pages may send what MCP needs",
        allowed_headers,
        "authorization",
        "content-type",
        "mcp-method",
        "mcp-name",
        "mcp-protocol-version",
    )
    challenged = await target.mcp(call("whoami").with_headers(Origin=target.mcp_origin))
    exposed = [name.strip().lower() for name in _list(challenged, "access-control-expose-headers")]
    report.has("cors: web pages may read the challenge", exposed, "www-authenticate")


async def _legacy_header(target: Target, report: Report, token: str) -> None:
    legacy = handshake("tools/list", version=None).with_headers(X_Val_Town_Token=target.api_token)
    response = await target.mcp(legacy)
    if response.status_code == httpx.codes.UNAUTHORIZED:
        report.skip("legacy header", "this deployment has X-Val-Town-Token switched off (LEGACY_TOKEN_AUTH)")
        return
    report.equal("legacy header: it is let in", response.status_code, 200)
    report.equal(
        "legacy header: the answer says that it is on its way out",
        response.headers.get("deprecation"),
        "true",
    )
    both = await target.mcp(legacy, token)
    report.equal("legacy header: not together with a token", both.status_code, 400)


async def _tool_names(target: Target, request: McpRequest, token: str) -> list[str]:
    tools = _result(await target.mcp(request, token)).get("tools", [])
    return [tool["name"] for tool in tools]


async def _refused(
    target: Target, report: Report, token: str, name: str, request: McpRequest, status: int, code: int
) -> None:
    response = await target.mcp(request, token)
    got = (response.status_code, json_of(response).get("error", {}).get("code"))
    report.equal(f"mcp {MODERN}: {name}", got, (status, code))


def _result(response: httpx.Response) -> Mapping[str, Any]:
    result = json_of(response).get("result", {})
    return result if isinstance(result, dict) else {}


def _list(response: httpx.Response, header: str) -> list[str]:
    return str(response.headers.get(header, "")).split(",")
