"""Steps with the time and with a token of one's own (RFC 9068 section 4)."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from mcp_server.doctor.resource_steps import call
from mcp_server.doctor.walk import Seen, Step, Walk, obstacle
from shared.sealing import from_base64url
from shared.strict_json import load_object

_SKEW_SECONDS: Final = 60


async def _clock(walk: Walk) -> Seen:
    answer = await call(walk)
    try:
        there = parsedate_to_datetime(str(answer.headers.get("date", ""))).timestamp()
    except (ValueError, TypeError):
        return Seen("the server does not tell its time")
    apart = there - walk.now()
    seen = Seen(f"{abs(apart):.0f} s apart")
    seen.add_if(
        abs(apart) > _SKEW_SECONDS, "clock-wrong", f"the server's is {apart:+.0f} s from the one here"
    )
    return seen


async def _own_token(walk: Walk) -> Seen:
    try:
        header, claims = (load_object(from_base64url(part)) for part in walk.token.split(".")[:2])
    except ValueError:
        return Seen().add("token-malformed", "it is no JWT")
    if cause := _misfit(walk, header, claims):
        return Seen().add(*cause)
    answer = await call(walk, walk.token)
    if answer.status != 200:
        return Seen().add(obstacle(answer) or "token-refused", answer.evidence("www-authenticate"))
    if not walk.origin:
        return Seen("accepted")
    answer = await call(walk, walk.token, Origin=walk.origin)
    seen = Seen(f"accepted, also from {walk.origin}")
    seen.add_if(answer.status != 200, "origin-refused", answer.evidence())
    return seen


def _misfit(walk: Walk, header: Mapping[str, object], claims: Mapping[str, object]) -> tuple[str, str] | None:
    issuer, audience, expires = claims.get("iss"), claims.get("aud"), claims.get("exp")
    if walk.issuer and issuer != walk.issuer:
        return "token-of-another-issuer", f"iss: {issuer!r}, named: {walk.issuer!r}"
    if audience not in (walk.url, [walk.url]):
        return "token-for-another-resource", f"aud: {audience!r}, entered: {walk.url!r}"
    if isinstance(expires, int | float) and expires <= walk.now():
        return "token-expired", f"exp: {expires}, now: {walk.now():.0f}"
    if walk.key_ids and header.get("kid") not in walk.key_ids:
        return "token-of-unknown-key", f"kid: {header.get('kid')!r}, known: {' '.join(sorted(walk.key_ids))}"
    return None


def _token(walk: Walk) -> str:
    return "" if walk.token else "no token was given (--token-file)"


CLOCK: Final = Step("clocks", _clock)
OWN_TOKEN: Final = Step("your own token", _own_token, needs=_token)
