"""Do refresh tokens rotate, survive a lost answer, and never grow (RFC 6749, 6; RFC 9700, 4.14)?"""

from dev.compliance.report import Report
from dev.compliance.target import Target, json_of, refusal_of


async def check_refresh(target: Target, report: Report) -> None:
    """Check rotation, grace, scopes and who may use one."""
    issued = await target.tokens(target.client, "read vals:write")
    token = str(issued.get("refresh_token"))
    other = await target.other_client.refresh(token)
    report.equal("rfc6749 refresh: another client cannot use it", refusal_of(other), (400, "invalid_grant"))
    wider = await target.client.refresh(token, scope="read vals:write email:send")
    report.equal("rfc6749 refresh: it cannot ask for more", refusal_of(wider), (400, "invalid_scope"))
    elsewhere = await target.client.refresh(token, resource="https://other.example/mcp")
    report.equal(
        "rfc8707 refresh: it cannot ask for another resource", refusal_of(elsewhere), (400, "invalid_target")
    )
    narrow = await target.client.refresh(token, scope="vals:read", resource=target.mcp_url)
    report.equal("rfc6749 refresh: after all of that it is good for its owner", narrow.status_code, 200)
    report.equal("rfc6749 refresh: it can ask for less", json_of(narrow).get("scope"), "vals:read")
    successor = str(json_of(narrow).get("refresh_token"))
    report.that(
        "rfc9700 refresh: it rotates",
        successor not in ("None", token),
        expected="another refresh token",
        got=sorted(json_of(narrow)),
    )
    await _grace(target, report, token, json_of(narrow))
    full = await target.client.refresh(successor)
    report.equal(
        "rfc6749 refresh: less once is not less for ever", json_of(full).get("scope"), issued.get("scope")
    )
    target.keep(target.client, json_of(full))
    garbage = await target.client.refresh("vtr_this-is-none")
    report.equal("rfc6749 refresh: what is none is refused", refusal_of(garbage), (400, "invalid_grant"))
    missing = await target.client.post("/oauth/token", {"grant_type": "refresh_token"})
    report.equal("rfc6749 refresh: a missing one is refused", refusal_of(missing), (400, "invalid_request"))


async def _grace(target: Target, report: Report, token: str, first: dict[str, object]) -> None:
    again = await target.client.refresh(token, scope="vals:read", resource=target.mcp_url)
    report.equal("rfc9700 refresh: the same again at once is no theft", again.status_code, 200)
    report.equal(
        "rfc9700 refresh: the same again gets the same successor",
        json_of(again).get("refresh_token"),
        first.get("refresh_token"),
    )
