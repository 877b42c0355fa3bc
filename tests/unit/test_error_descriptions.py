"""What an error says keeps to the characters of RFC 6749 section 5.2, and cannot break out of a challenge."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from mcp_server.endpoints.errors import Refusals
from shared.oauth.errors import InvalidRequest, InvalidToken
from tests.requirements import requirement

ALLOWED = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
CHALLENGE = re.compile(r'Bearer (?:[a-z_]+="[^"\\]*")(?:, [a-z_]+="[^"\\]*")*')
HOSTILE = 'a",error="x'


@requirement("O21")
@given(st.text(max_size=600))
@example(HOSTILE)
@example("\r\nSet-Cookie: a=b")
@example("\\\x00é🐘")
def test_a_description_has_no_other_characters_and_an_end(text: str) -> None:
    description = InvalidRequest(text).members().get("error_description", "")
    assert ALLOWED.fullmatch(description)
    assert len(description) == min(len(text), 400)


@requirement("J213")
@given(st.text(max_size=60))
@example(HOSTILE)
@example("\r\nSet-Cookie: a=b")
@example("a=")
def test_a_description_cannot_add_to_a_challenge(text: str) -> None:
    refusals = Refusals(resource_metadata="https://mcp.test/.well-known/oauth-protected-resource/mcp")
    challenge = refusals.answer(InvalidToken(text)).headers["www-authenticate"]
    assert CHALLENGE.fullmatch(challenge)
    names = re.findall(r'([a-z_]+)="[^"]*"', challenge)
    assert names == ["error", "error_description", "resource_metadata", "scope"]
