"""Steps at the MCP server: reach it, be refused, and learn who issues its tokens (RFC 6750, RFC 9728)."""

import re
from typing import Final
from urllib.parse import urlsplit

from mcp_server.doctor.probe import ORIGIN, Answer, origin_of
from mcp_server.doctor.walk import DAY, Seen, Step, Walk, max_age, obstacle

_WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_PARAMETER: Final = re.compile(r'([A-Za-z_]+)="([^"]*)"')
_LIST_TOOLS: Final = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
_ACCEPT: Final = {"Accept": "application/json, text/event-stream"}
_THIS_COMPUTER: Final = ("localhost", "127.0.0.1", "::1")
_AGENTS: Final = (
    "Claude-User",
    "openai-mcp/1.0.0",
    "Cursor/3.0",
    "node",
    "python-httpx/0.28",
    "curl/8.0",
    "",
)
"""What programs that connect call themselves; some, nothing."""

_BAD_TOKEN: Final = "doctor." + "x" * 6000
"""As long as a token with many scopes, and none."""


async def call(walk: Walk, token: str = "", *, url: str = "", **headers: str) -> Answer:
    """Return the answer to `tools/list`.

    Args:
        walk: what is known.
        token: an access token to send.
        url: another one than the walk's.
        headers: to send besides, with `_` for `-`.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    credential = {"Authorization": f"Bearer {token}"} if token else {}
    return await walk.probe.ask(
        "POST", url or walk.url, headers={**_ACCEPT, **credential, **named}, json_body=_LIST_TOOLS
    )


async def _reach(walk: Walk) -> Seen:
    answer = await call(walk)
    if (cause := obstacle(answer)) and answer.status != 401:
        return Seen().add(cause, answer.evidence())
    if answer.status == 404:
        return Seen().add("no-such-path", answer.evidence())
    if answer.status == 200:
        return Seen().add("open", answer.evidence())
    if answer.status != 401:
        return Seen().add("not-401", answer.evidence())
    seen = Seen("401 without a token, as it must be")
    parts = urlsplit(walk.url)
    open_way = parts.scheme == "http" and parts.hostname not in _THIS_COMPUTER
    seen.add_if(open_way, "http-url", answer.evidence())
    return seen


async def _agents(walk: Walk) -> Seen:
    for agent in _AGENTS:
        answer = await call(walk, User_Agent=agent)
        if answer.status != 401:
            return Seen().add("agent-blocked", f"as {agent!r}: {answer.evidence()}")
    return Seen(f"{len(_AGENTS)} kinds of client get the same answer")


async def _challenge(walk: Walk) -> Seen:
    answer = await call(walk)
    challenge = str(answer.headers.get("www-authenticate", ""))
    evidence = answer.evidence("www-authenticate")
    if not challenge:
        return Seen().add("challenge-stripped", evidence)
    if not challenge.lower().startswith("bearer"):
        return Seen().add(await _why_no_bearer(walk), evidence)
    walk.metadata_url = dict(_PARAMETER.findall(challenge)).get("resource_metadata", "")
    if not walk.metadata_url:
        return Seen().add("challenge-without-metadata", evidence)
    if origin_of(walk.metadata_url) != origin_of(walk.url):
        walk.metadata_url = ""
        return Seen().add("challenge-elsewhere", evidence)
    walk.challenged = True
    return Seen(f"it names {walk.metadata_url}")


async def _why_no_bearer(walk: Walk) -> str:
    answer = await walk.probe.get(f"{origin_of(walk.url)}{_WELL_KNOWN}")
    return "oauth-off" if obstacle(answer) == "oauth-off" else "challenge-of-another"


async def _resource_metadata(walk: Walk) -> Seen:
    seen = Seen()
    parts = urlsplit(walk.url)
    inserted = f"{origin_of(walk.url)}{_WELL_KNOWN}{parts.path}"
    for url in dict.fromkeys(filter(None, (walk.metadata_url, inserted))):
        answer = await walk.probe.get(url)
        if cause := obstacle(answer) or ("" if answer.status == 200 else "resource-metadata-missing"):
            return seen.add(cause, answer.evidence())
        _judge_metadata(walk, answer, seen)
        if seen.findings:
            return seen
    await _older_clients(walk, seen)
    seen.said = f"tokens are issued by {walk.issuer}"
    return seen


def _judge_metadata(walk: Walk, answer: Answer, seen: Seen) -> None:
    document = answer.document()
    if not answer.is_json or not document:
        seen.add("not-json", answer.evidence())
        return
    resource = document.get("resource")
    if resource != walk.url:
        seen.add("resource-mismatch", f"resource: {resource!r}, entered: {walk.url!r}")
        if isinstance(resource, str) and resource.rstrip("/") == walk.url.rstrip("/"):
            # What follows is asked of the URL that would be right.
            walk.url = resource
    issuers = document.get("authorization_servers")
    walk.issuer = str(issuers[0]) if isinstance(issuers, list) and issuers else ""
    seen.add_if(not walk.issuer, "no-issuer", f"{answer.asked}: authorization_servers: {issuers!r}")
    if walk.url.startswith("https:") and walk.issuer.startswith("http:"):
        seen.add("issuer-http", f"authorization_servers: {issuers!r}")
        walk.issuer = walk.issuer.replace("http:", "https:", 1)
    seen.add_if(
        answer.headers.get("access-control-allow-origin") not in ("*", ORIGIN),
        "no-cors",
        answer.evidence("access-control-allow-origin"),
    )
    seen.add_if(max_age(answer) > DAY, "cached-too-long", answer.evidence("cache-control"))


async def _older_clients(walk: Walk, seen: Seen) -> None:
    answer = await walk.probe.get(f"{origin_of(walk.url)}{_WELL_KNOWN}")
    same = answer.document().get("resource") == walk.url
    seen.add_if(not same, "resource-metadata-root-missing", answer.evidence())
    answer = await walk.probe.get(f"{origin_of(walk.url)}/.well-known/oauth-authorization-server")
    same = answer.document().get("issuer") == walk.issuer
    not_ready = obstacle(answer) == "not-ready"
    seen.add_if(not same, "not-ready" if not_ready else "legacy-metadata-missing", answer.evidence())


async def _browsers(walk: Walk) -> Seen:
    seen = Seen("web pages may call it and read its challenge")
    asked = "authorization,content-type,mcp-protocol-version"
    answer = await walk.probe.ask(
        "OPTIONS",
        walk.url,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )
    allowed = {name.strip().lower() for name in _split(answer, "access-control-allow-headers")}
    refused = answer.status not in (200, 204) or not ({*asked.split(",")} <= allowed or "*" in allowed)
    evidence = answer.evidence("access-control-allow-origin", "access-control-allow-headers")
    seen.add_if(refused, "preflight-refused", evidence)
    answer = await call(walk, Origin=ORIGIN)
    if answer.headers.get("access-control-allow-origin") not in ("*", ORIGIN):
        return seen.add("no-cors", answer.evidence("access-control-allow-origin"))
    exposed = {name.strip().lower() for name in _split(answer, "access-control-expose-headers")}
    hidden = "www-authenticate" not in exposed
    seen.add_if(hidden, "not-exposed", answer.evidence("access-control-expose-headers"))
    return seen


def _split(answer: Answer, name: str) -> list[str]:
    return str(answer.headers.get(name, "")).split(",")


async def _bad_token(walk: Walk) -> Seen:
    answer = await call(walk, _BAD_TOKEN[:200])
    challenge = str(answer.headers.get("www-authenticate", ""))
    evidence = answer.evidence("www-authenticate")
    if answer.status == 200:
        return Seen().add("bad-token-accepted", evidence)
    if answer.status == 401 and challenge.lower().startswith("bearer") and "error=" not in challenge:
        return Seen().add("authorization-stripped", evidence)
    if answer.status != 401 or 'error="invalid_token"' not in challenge:
        return Seen().add(obstacle(answer) or "bad-token-misjudged", evidence)
    long = await call(walk, _BAD_TOKEN)
    if long.status != 401:
        return Seen().add("headers-too-long", long.evidence())
    return Seen("401 and invalid_token, also for a long one")


async def _slash(walk: Walk) -> Seen:
    if walk.url.endswith("/"):
        return Seen("the URL has one itself")
    answer = await call(walk, url=f"{walk.url}/")
    seen = Seen("it does not redirect")
    seen.add_if(answer.is_redirect, "slash-redirects", answer.evidence())
    return seen


def _challenged(walk: Walk) -> str:
    return "" if walk.challenged else "the server's own challenge was not seen"


REACH: Final = Step("reach the MCP server", _reach, blocks=True)
CHALLENGE: Final = Step("what its refusal says", _challenge)
RESOURCE_METADATA: Final = Step("metadata of the resource", _resource_metadata)
BROWSERS: Final = Step("clients in browsers", _browsers, needs=_challenged)
AGENTS: Final = Step("whoever asks", _agents)
BAD_TOKEN: Final = Step("a token that is not good", _bad_token, needs=_challenged)
SLASH: Final = Step("a slash at the end", _slash)
