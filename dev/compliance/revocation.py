"""Is what was revoked refused, and soon (RFC 7009)?"""

import time
from typing import Final

import anyio
import httpx

from dev.compliance.report import Report
from dev.compliance.target import Target, json_of, refusal_of
from dev.mcp_messages import call, challenge_of

BOUND_SECONDS: Final = 2.0
"""The promise is one second at the 99th percentile; the way here and back is part of what is measured."""


async def check_revocation(target: Target, report: Report) -> None:
    """Check who may revoke what, and how long it takes."""
    unknown = await target.client.revoke("no-token-at-all")
    report.equal("rfc7009: an unknown token is none, which is what was wanted", unknown.status_code, 200)
    url = target.endpoint("revocation")
    anonymous = await target.http.post(url, data={"token": "x"})
    report.equal("rfc7009: a client must say who it is", refusal_of(anonymous), (401, "invalid_client"))
    issued = await target.tokens(target.client)
    await _others(target, report, str(issued["refresh_token"]), str(issued["access_token"]))
    await _access_token(target, report, str(issued["refresh_token"]), str(issued["access_token"]))
    await _grant(target, report)


async def _others(target: Target, report: Report, refresh_token: str, access_token: str) -> None:
    for client in (target.other_client, target.public_client):
        for token in (refresh_token, access_token):
            await client.revoke(token)
    response = await target.mcp(call("whoami"), access_token)
    report.equal("rfc7009: another client cannot revoke it", response.status_code, 200)


async def _access_token(target: Target, report: Report, refresh_token: str, access_token: str) -> None:
    # The hint is wrong on purpose (section 2.1).
    response = await target.client.revoke(access_token, token_type_hint="refresh_token")
    report.equal("rfc7009: an access token can be revoked", response.status_code, 200)
    await _soon_refused(target, report, "access token", access_token)
    refreshed = await target.client.refresh(refresh_token)
    report.equal("rfc7009: its refresh token lives on", refreshed.status_code, 200)


async def _grant(target: Target, report: Report) -> None:
    issued = await target.tokens(target.client)
    before = await target.mcp(call("whoami"), str(issued["access_token"]))
    report.equal("rfc7009: until then the token works", before.status_code, 200)
    refreshed = json_of(await target.client.refresh(str(issued["refresh_token"])))
    response = await target.client.revoke(str(refreshed["refresh_token"]))
    report.equal("rfc7009: a refresh token can be revoked", response.status_code, 200)
    await _soon_refused(
        target, report, "refresh token: its newest access token", str(refreshed["access_token"])
    )
    await _soon_refused(target, report, "refresh token: an earlier access token", str(issued["access_token"]))
    refused = await target.client.refresh(str(refreshed["refresh_token"]))
    report.equal("rfc7009: it is dead itself", refusal_of(refused), (400, "invalid_grant"))


async def _soon_refused(target: Target, report: Report, name: str, token: str) -> None:
    began = time.monotonic()
    while True:
        response = await target.mcp(call("whoami"), token)
        seconds = time.monotonic() - began
        if response.status_code == httpx.codes.UNAUTHORIZED or seconds > BOUND_SECONDS:
            break
        await anyio.sleep(0.02)
    got = (response.status_code, challenge_of(response).get("error"))
    report.equal(f"rfc7009: revoked {name} is refused", got, (401, "invalid_token"))
    report.say(f"     {seconds * 1000:.0f} ms after the answer to the revocation")
