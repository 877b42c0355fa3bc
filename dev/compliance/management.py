"""Can apps change and remove what they registered, and nobody else (RFC 7592)?"""

from typing import Any

import httpx

from dev.compliance.report import Report
from dev.compliance.target import REDIRECT_URI, Target, json_of, refusal_of

OTHER_URI = "https://client.example.com/other"


async def check_management(target: Target, report: Report) -> None:
    """Check the management of registrations, on a client that is gone afterwards."""
    registered = await _registered(target, "Compliance check, managed")
    other = await _registered(target, "Compliance check, another one")
    managed = ("registration_client_uri", "registration_access_token")
    report.has("rfc7592 registration: where and with what to manage it", registered, *managed)
    read = await _send(target, "GET", registered)
    report.equal("rfc7592 read: the owner's token reads", read.status_code, 200)
    report.equal(
        "rfc7592 read: what was registered comes back", json_of(read).get("redirect_uris"), [REDIRECT_URI]
    )
    foreign = await _send(target, "GET", {**registered, managed[1]: other[managed[1]]})
    report.equal(
        "rfc7592 read: another client's token is refused", refusal_of(foreign), (401, "invalid_token")
    )
    body = {"client_id": registered["client_id"], "redirect_uris": [OTHER_URI]}
    changed = await _send(target, "PUT", registered, json=body)
    report.equal(
        "rfc7592 update: it replaces redirect URIs", json_of(changed).get("redirect_uris"), [OTHER_URI]
    )
    chosen = await _send(target, "PUT", registered, json={**body, "client_secret": "chosen"})
    report.equal(
        "rfc7592 update: no secret can be chosen", refusal_of(chosen), (400, "invalid_client_metadata")
    )
    for each in (registered, other):
        removed = await _send(target, "DELETE", each)
        report.equal("rfc7592 removal: the owner's token removes", removed.status_code, 204)
    gone = await _send(target, "GET", registered)
    report.equal("rfc7592 removal: then it is gone", refusal_of(gone), (401, "invalid_token"))


async def _registered(target: Target, name: str) -> dict[str, Any]:
    body = {"redirect_uris": [REDIRECT_URI], "client_name": name}
    return json_of(await target.http.post(target.endpoint("registration"), json=body))


async def _send(
    target: Target, method: str, registered: dict[str, Any], *, json: dict[str, Any] | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {registered['registration_access_token']}"}
    return await target.http.request(
        method, registered["registration_client_uri"], headers=headers, json=json
    )
