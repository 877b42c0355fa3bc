"""What a log line keeps and what it loses, whatever somebody makes this server log."""

import json

import pytest

from shared.logs import REDACTED, redact
from tests.requirements import requirement

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@requirement("L236", "J216")
@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"got {JWT} here", "got * here"),
        (f"({JWT})", "(*)"),
        ("eyJhbGciOiJkaXIifQ..iv.text.tag end", "* end"),
        ("code vtac_abc.DEF-1_2, next", "code *, next"),
        ("a vtr_abc b vtcs_abc c", "a * b * c"),
        ("vtss_x vtbr_x vttx_x vtwn_x", "* * * *"),
        ('{"refresh_token": "x"}', '{"*"}'),
        ('{"refresh_token":"x","scope":"read"}', '{"*","scope":"read"}'),
        ("grant_type=refresh_token&refresh_token=x&scope=read", "grant_type=refresh_token&*&scope=read"),
        ("redis://:pw@host:6379/0 is away", "redis://*host:6379/0 is away"),
        ("rediss://user:p%40w@host/0", "rediss://*host/0"),
        ("X-Val-Town-Token: abc", "*"),
        ("x-val-town-token:abc\r\nHost: mcp.test", "*\r\nHost: mcp.test"),
        ("Cookie: a=b; c=d\nAccept: text/html", "*\nAccept: text/html"),
        ("Set-Cookie: a=b; Path=/", "Set-*"),
        ("Authorization: Bearer abcdef.ghi", "Authorization: *"),
    ],
)
def test_a_secret_goes_and_what_is_around_it_stays(text: str, left: str) -> None:
    expected = left.replace("*", REDACTED)
    assert redact(text) == expected
    assert redact({"detail": [text]}) == {"detail": [expected]}


@pytest.mark.parametrize(
    "text",
    [
        "redis://store.example:6379/0",
        "https://auth.test/oauth/authorize",
        "the refresh_token grant",
        '{"refresh_token": ""}',
        "token_endpoint_auth_method",
        "mail to ada@example.com",
        "eyJ",
        "eyJhbGciOi no token",
        "vtr is a prefix",
        "cookies: none",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "eyJ",
        "eyJabcdefgh",
        "eyJabcdefgh.",
        "vtr_",
        "vt",
        "bearer ",
        "basic" + " " * 20,
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        'token"',
        'token" ',
        "://",
        "://a",
        "cookie:",
        "\\",
        "a.",
    ],
)
def test_hostile_repetition_is_redacted_like_anything_else(piece: str) -> None:
    # Its time must grow with its length alone: otherwise this one does not end.
    hostile = piece * (200_000 // len(piece))
    assert str(redact(f"{hostile}\n{JWT}")).endswith(REDACTED) or "BEGIN PRIVATE" in piece
    assert JWT not in str(redact(f"{JWT} {hostile}"))


def test_a_secret_in_json_within_json_goes() -> None:
    inner = json.dumps({"client_secret": "opaque"})
    assert "opaque" not in str(redact(json.dumps({"body": inner})))


def test_a_token_as_long_as_a_body_is_one_secret() -> None:
    assert redact("eyJ" * 20_000 + ".e30.x") == REDACTED
    assert redact({"reason": json.dumps({"token": "eyJ" * 20_000})}) == {"reason": f'{{"{REDACTED}"}}'}
